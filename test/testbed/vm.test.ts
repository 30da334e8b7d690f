import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findNetwork, networkNames } from '../../src/network/index.js';
import {
  checkPath,
  openTestbed,
  probeNetworks,
  raise,
  type HostRole,
  type Testbed,
} from '../../src/testbed/index.js';

const BOOT_MS = 240_000;
let testbed: Testbed;
beforeAll(async () => {
  testbed = await openTestbed('vm', { wire: { mtu: 1500, rateMbps: null } });
}, BOOT_MS);
afterAll(() => testbed[Symbol.asyncDispose](), BOOT_MS);

const ROLES = ['client', 'server'] as const satisfies HostRole[];
const on = async (role: HostRole, line: string, netns: string | null = null): Promise<string> => {
  const { code, stdout, stderr } = await testbed[role].machine.run(line.split(' '), { netns });
  if (code !== 0) throw new Error(`${line} on the ${role}: ${stderr}`);
  return stdout;
};

test('each guest has a kernel of its own', async () => {
  const boots = await Promise.all(ROLES.map((role) => on(role, 'cat /proc/sys/kernel/random/boot_id')));
  expect(new Set([...boots, await own('/proc/sys/kernel/random/boot_id')]).size).toBe(3);
});

const own = async (path: string): Promise<string> => (await import('node:fs')).readFileSync(path, 'utf8');

test('the data NIC has a queue with an interrupt of its own for each CPU', async () => {
  const interrupts = await on('server', 'cat /proc/interrupts');
  const queues = (await on('server', 'ls /sys/class/net/eth0/queues')).split('\n').filter(Boolean);
  expect(queues.filter((name) => name.startsWith('rx'))).toHaveLength(testbed.server.cpus.length);
  expect(interrupts).toMatch(/virtio\d+-input\.1/);
});

test('the environment tells whether the guests are emulated', async () => {
  const { accel } = await testbed.client.machine.environment();
  expect(['kvm', 'tcg']).toContain(accel);
  expect(testbed.cannotTell.some((sentence) => sentence.includes('emulated'))).toBe(accel === 'tcg');
});

/** AWS keeps the route table that it needs. */
const names = networkNames().filter((name) => name !== 'flannel-aws-vpc');

test('the kernel carries every network of the catalog', async () => {
  const statuses = await probeNetworks(testbed, names);
  expect(statuses.filter(({ support }) => support !== 'yes')).toEqual([]);
});

const state = async (role: HostRole): Promise<string> =>
  (
    await Promise.all(
      ['ip -d link', 'ip addr', 'ip route show table all', 'ip netns'].map((line) => on(role, line)),
    )
  ).join('--\n');

describe.each(names)('%s', (name) => {
  test('takes its own path between containers on two kernels, and leaves both as they were', async () => {
    const before = await Promise.all(ROLES.map(state));
    {
      await using raised = await raise(testbed, findNetwork(name));
      const report = await checkPath(testbed, raised, async () => {
        await on('client', `ping -c 1 -W 2 ${raised.server.address}`, raised.client.netns);
      });
      console.log(name, raised.upMs, report.ms);
      expect(report.mtu).toBeLessThanOrEqual(1500);
    }
    expect(await Promise.all(ROLES.map(state))).toEqual(before);
  });
});
