import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { bindSymbols, findNetwork, networkNames, PATH_KINDS, RUN_SYMBOL } from '../../src/network/index.js';
import {
  checkPath,
  hostsOf,
  openTestbed,
  planTestbed,
  probeNetworks,
  probePathMtus,
  type Host,
  type HostRole,
  type PathMtus,
  type Testbed,
} from '../../src/testbed/index.js';
import { testClock } from './clock-on-guests.js';
import { printAction, type NetworkStatus, type Step } from '../../src/schema/index.js';
import { page, setUpTwoContainers, VERSIONS } from './reach-table.js';
import { describeSsh } from './ssh-on-guests.js';

const WIRE = { mtu: 1500, rateMbps: null };
const BOOT_MS = 240_000;
vi.setConfig({ testTimeout: 180_000, hookTimeout: BOOT_MS });
let testbed: Testbed;
/** Of both guests, before any network: what a network leaves is not healed by a repetition. */
let clean: string[];
let statuses: NetworkStatus[];
const linksAfterProbe: Partial<Record<HostRole, string>> = {};
let timesLost = 0;
async function boot(): Promise<void> {
  testbed = await openTestbed({ kind: 'vm' }, { wire: WIRE, ip: 6 });
  statuses = await probeNetworks(speaking(4), names.map(findNetwork));
  // They have IPv6, and are to be measured over IPv4 too.
  for (const role of ROLES) {
    const { address, prefix } = hostsOf('', { wire: WIRE })[role];
    await on(role, `ip addr add ${address}/${prefix} dev eth0`);
    linksAfterProbe[role] = await on(role, 'ls /sys/class/net');
    // Its device tunl0 stays with the module, as the facts of the network say.
    await on(role, 'modprobe ipip');
  }
  for (const { do: action } of bindSymbols(routerSteps, { [RUN_SYMBOL]: testbed.run }))
    execFileSync('sh', ['-c', printAction(action)]);
  clean = await states();
}
/** What guests over IPv4 have in addition: a router in place of a VPC. */
const over4 = await planTestbed({ kind: 'vm' }, { wire: WIRE });
const plain = await planTestbed({ kind: 'vm' }, { wire: WIRE, networks: ['host'] });
const routerSteps = over4.steps.filter(({ why }) => !plain.steps.some((step) => step.why === why));
beforeAll(boot);

/**
 * An emulated guest stops answering now and then, whatever it does. One loss in all is healed, and said; what makes a guest
 * stop does it again.
 */
beforeEach(async () => {
  const replies = await Promise.allSettled(ROLES.map((role) => on(role, 'true')));
  const lost = replies.flatMap((answer) => (answer.status === 'rejected' ? [String(answer.reason)] : []));
  if (lost.length === 0) return;
  if (++timesLost > 1) throw new Error(`Guests were lost twice: ${lost.join('; ')}`);
  console.warn(`Booting other guests: ${lost.join('; ')}`);
  try {
    await testbed[Symbol.asyncDispose]();
  } catch {
    // Its guest is lost; what it left here is undone all the same.
  }
  await boot();
}, BOOT_MS);
afterAll(() => testbed[Symbol.asyncDispose]());

const ROLES = ['client', 'server'] as const satisfies HostRole[];
const on = async (role: HostRole, line: string, netns: string | null = null): Promise<string> => {
  const { code, stdout, stderr } = await testbed[role].machine.run(line.split(' '), { netns });
  if (code !== 0) throw new Error(`${line} on the ${role}: ${stderr}`);
  return stdout;
};

const BOOT_ID = '/proc/sys/kernel/random/boot_id';

test('the guests were made by the plan that --dry-run prints', async () => {
  const { steps } = await planTestbed({ kind: 'vm' }, { wire: WIRE, ip: 6 });
  const planned = bindSymbols(steps, { '<run>': testbed.run }).map(({ do: action }) => printAction(action));
  const executed = readFileSync(`/var/lib/barewire/journal/${testbed.run}-testbed.jsonl`, 'utf8')
    .trim()
    .split('\n')
    .flatMap((line) => (JSON.parse(line) as { step?: Step }).step ?? [])
    .map(({ do: action }) => printAction(action))
    .filter((line) => !line.includes('barewire=probe'));
  expect(executed).toHaveLength(planned.length);
  for (const [index, line] of planned.entries()) {
    // What only the start finds: the kernel, the accelerator and the size of files that name them.
    const [first = '', ...rest] = line.replace(/\(\d+ characters\)/, '<size>').split(/<[^>]+>/);
    let at = first.length;
    expect(executed[index]?.startsWith(first), `${line}\n${executed[index]}`).toBe(true);
    for (const part of rest) {
      at = executed[index]?.indexOf(part, at) ?? -1;
      expect(at, `${line}\n${executed[index]}`).toBeGreaterThanOrEqual(0);
      at += part.length;
    }
  }
});

test('each guest has its own kernel', async () => {
  const boots = await Promise.all(ROLES.map((role) => on(role, `cat ${BOOT_ID}`)));
  expect(new Set([...boots, readFileSync(BOOT_ID, 'utf8')]).size).toBe(3);
});

test('the data NIC has a queue with its own interrupt for each CPU', async () => {
  const interrupts = await on('server', 'cat /proc/interrupts');
  const queues = (await on('server', 'ls /sys/class/net/eth0/queues')).split('\n').filter(Boolean);
  expect(queues.filter((name) => name.startsWith('rx'))).toHaveLength(testbed.server.cpus.length);
  expect(interrupts).toMatch(/virtio\d+-input\.1/);
});

test('the environment states whether guests are emulated', async () => {
  const { accel } = await testbed.client.machine.environment();
  expect(['kvm', 'tcg']).toContain(accel);
  const emulated = { code: 'limitation', limitation: 'emulated-guests' };
  expect(testbed.limitations.some((finding) => JSON.stringify(finding) === JSON.stringify(emulated))).toBe(
    accel === 'tcg',
  );
});

// Before the networks: the guests' own agents must not have taken a step yet, or each guest is a machine that a run has.
describeSsh(() => testbed);

const of = { 4: hostsOf('', { wire: WIRE }), 6: hostsOf('', { wire: WIRE, ip: 6 }) };
/** The same guests, whose networks carry the other version of IP. */
function speaking(version: 4 | 6): Testbed {
  const host = (role: HostRole): Host => {
    const { address, prefix } = of[version][role];
    const { vpc } = over4.hosts[role].net;
    const place = version === 4 && vpc !== undefined ? { vpc } : {};
    return { ...testbed[role], net: { ...testbed[role].net, address, prefix, ...place } };
  };
  return { ...testbed, client: host('client'), server: host('server') };
}

const names = networkNames();
const found = new Map<string, PathMtus>();

test('the kernel supports every network of the catalog, and finding that out adds no device', () => {
  expect(statuses.filter(({ support }) => support !== 'yes')).toEqual([]);
  for (const role of ROLES) expect(linksAfterProbe[role]?.split('\n')).not.toContain('tunl0');
});

const STATE = 'addr show\nroute show table all\nnetns list\n';
/** All that a network could leave behind on a guest, by one program: each takes long where guests are emulated. */
const stateOf = async (role: HostRole): Promise<string> => {
  const { machine } = testbed[role];
  const { stdout } = await machine.run(['ip', '-d', '-batch', '-'], { input: STATE });
  return stdout;
};
const states = (): Promise<string[]> => Promise.all(ROLES.map(stateOf));

describe.each(names)('%s', (name) => {
  test.for(VERSIONS)(
    'takes its own path over IPv%i between containers on two kernels, and leaves both as they were',
    { retry: 1 },
    async (version, context) => {
      const network = findNetwork(name);
      context.skip(version === 6 && network.noIpv6 !== undefined, `not supported: ${network.noIpv6 ?? ''}`);
      const bed = speaking(version);
      {
        await using active = await setUpTwoContainers(bed, network);
        await checkPath(bed, active, async () => {
          await on('client', `ping -c 1 -W 2 ${active.server.address}`, active.client.netns);
        });
        const reach = await probePathMtus(bed, active);
        found.set(`${name}/${version}`, reach);
        for (const kind of PATH_KINDS) expect(reach[kind] === null).toBe(kind in network.blocked);
      }
      expect(await states()).toEqual(clean);
    },
  );
});

test("WireGuard's keys are gone with it", async () => {
  const left = await Promise.all(ROLES.map((role) => on(role, 'find /run -maxdepth 2 -name *-wg')));
  expect(left).toEqual(['', '']);
});

test('docs/paths.md agrees with the measured path MTUs', async () => {
  await expect(await page(found)).toMatchFileSnapshot('../../docs/paths.md');
});

// Last, because it sets the guests' clocks, by which their journals tell the time.
testClock(() => testbed);
