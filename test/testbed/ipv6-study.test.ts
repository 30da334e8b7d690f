import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Summary } from '../../src/schema/index.js';
import { barewire } from '../cli/barewire.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'barewire-ipv6-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const NETWORKS = ['host', 'flannel-host-gw', 'flannel-vxlan', 'macvlan', 'flannel-ipip'].join(',');
const study = (...args: string[]) =>
  barewire([
    'study',
    '--networks',
    NETWORKS,
    '--ip',
    '6',
    '--restarts',
    '1',
    '--rounds',
    '1',
    '--slice',
    '300ms',
    ...args,
  ]);

describe('a study over IPv6', () => {
  test('loads nginx over every network with IPv6 and gives a reason for the others', async () => {
    await study('--rates', '500', '--out', folder);
    const { ip, networks } = JSON.parse(readFileSync(join(folder, 'summary.json'), 'utf8')) as Summary;
    expect(ip).toBe(6);
    const told = networks.map(({ name, status, finding }) => [
      name,
      status === 'unsupported' ? finding?.code : null,
    ]);
    expect(Object.fromEntries(told)).toEqual({
      host: null,
      'flannel-host-gw': null,
      'flannel-vxlan': null,
      macvlan: null,
      'flannel-ipip': 'ipv6-unsupported',
    });
    const failures = networks.flatMap(({ cells }) => cells).map(({ failedSlices }) => failedSlices);
    expect(failures).toEqual([0, 0, 0, 0]);
  });

  test('prints its steps before it applies any', async () => {
    const { stdout } = await study('--rates', '500', '--dry-run');
    expect(stdout).toContain('sysctl -w net.ipv6.conf.all.forwarding=1');
    expect(stdout).toContain('ip route add 2001:2:0:1902::/64 via 2001:2:0:18::2 dev eth0');
    expect(stdout).not.toContain('198.1');
  });

  test('an invalid version is refused with its value', async () => {
    const { status, stderr } = await barewire(['study', '--ip', '5']);
    expect(status).toBe(2);
    expect(stderr).toContain('--ip must be 4 or 6, got "5"');
  });
});

test('a kernel is refused for a testbed without guests', async () => {
  const { status, stderr } = await barewire(['study', '--kernel', '/boot/vmlinuz']);
  expect(status).toBe(2);
  expect(stderr).toContain('--testbed is netns');
});
