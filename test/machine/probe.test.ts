import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bundlePath, openMachine } from '../../src/machine/index.js';
import { waitsToAddDevice } from '../../src/linux/links.js';
import { sh } from './test-host.js';

const machine = await openMachine({ run: 'probe', host: 'here', netns: null });
const probe = async (...types: string[]): Promise<string[]> =>
  (await machine.probe(types.map((type) => ({ kind: 'link-type', type })))).map(({ answer }) => answer);

/** What `ip` gets: the probe must say the same. */
function ipCan(type: string): boolean {
  sh('ip', 'netns', 'add', 'mt-probe');
  try {
    sh('ip', '-n', 'mt-probe', 'link', 'add', 'mt-a', 'type', ...type.split(' '));
    return true;
  } catch {
    return false;
  } finally {
    sh('ip', 'netns', 'del', 'mt-probe');
  }
}

describe('link types', () => {
  test.each(['veth', 'bridge', 'dummy', 'ifb', 'vxlan id 1 dstport 4789', 'wireguard', 'nonsense'])(
    'as `ip link add type %s` finds them',
    async (type) => {
      const [name = ''] = type.split(' ');
      expect(await probe(name)).toEqual([ipCan(type) ? 'yes' : 'no']);
    },
  );

  test('that need more than a name are found', async () => {
    expect(await probe('macvlan', 'vxlan')).toEqual(['yes', 'yes']);
  });

  test('leave no link behind', async () => {
    const before = sh('ip', '-br', 'link');
    await probe('veth', 'bridge', 'vxlan');
    expect(sh('ip', '-br', 'link')).toBe(before);
  });

  test('whose module would add a device are looked up in its alias', () => {
    const root = mkdtempSync(join(tmpdir(), 'barewire-modules-'));
    try {
      mkdirSync(join(root, 'lib/modules/6.1'), { recursive: true });
      writeFileSync(
        join(root, 'lib/modules/6.1/modules.alias'),
        'alias rtnl-link-ipip ipip\nalias rtnl-link-vxlan vxlan\n',
      );
      const waits = (type: string, version = '6.1'): boolean => waitsToAddDevice(type, root, version);
      expect(waits('ipip')).toBe(true);
      // Not in this kernel; without such a device; of a kernel whose modules are not here.
      expect([waits('gre'), waits('vxlan'), waits('ipip', '6.2')]).toEqual([false, false, false]);
      mkdirSync(join(root, 'sys/module/ipip'), { recursive: true });
      expect(waits('ipip')).toBe(false);
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  test('that are missing are reported with the reason', async () => {
    expect(await machine.probe([{ kind: 'link-type', type: 'nonsense' }])).toEqual([
      { answer: 'no', reason: 'this kernel has no links of type nonsense' },
    ]);
  });
});

test("tools are found on root's PATH", async () => {
  const path = process.env['PATH'];
  process.env['PATH'] = '/usr/bin:/bin';
  const results = await machine.probe([
    { kind: 'tool', name: 'tc' },
    { kind: 'tool', name: 'no-such-tool' },
  ]);
  process.env['PATH'] = path;
  expect(results.map(({ answer }) => answer)).toEqual(['yes', 'no']);
});

test('the environment has kernel, CPUs and clock but nothing that identifies the machine', async () => {
  const environment = await machine.environment();
  expect(environment['kernel']).toBe(sh('uname', '-r').trim());
  expect(environment['cpus']).toBe(Number(sh('nproc', '--all')));
  expect(environment['clockSource']).toMatch(/^\w/);
  expect(environment['congestionControl']).toBe(sh('sysctl', '-n', 'net.ipv4.tcp_congestion_control').trim());
  expect(JSON.stringify(environment)).not.toContain(sh('hostname').trim());
});

test("the agent's bundle exists", () => {
  expect(existsSync(bundlePath())).toBe(true);
});
