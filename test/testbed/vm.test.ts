import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { readFileSync } from 'node:fs';
import { findNetwork, networkNames } from '../../src/network/index.js';
import {
  checkPath,
  openTestbed,
  probeNetworks,
  raise,
  type HostRole,
  type Testbed,
} from '../../src/testbed/index.js';
import { testClock } from './clock-on-guests.js';
import { describeSsh } from './ssh-on-guests.js';

const BOOT_MS = 240_000;
vi.setConfig({ testTimeout: 180_000, hookTimeout: BOOT_MS });
let testbed: Testbed;
beforeAll(async () => {
  testbed = await openTestbed('vm', { wire: { mtu: 1500, rateMbps: null } });
});
afterAll(() => testbed[Symbol.asyncDispose]());

const ROLES = ['client', 'server'] as const satisfies HostRole[];
const on = async (role: HostRole, line: string, netns: string | null = null): Promise<string> => {
  const { code, stdout, stderr } = await testbed[role].machine.run(line.split(' '), { netns });
  if (code !== 0) throw new Error(`${line} on the ${role}: ${stderr}`);
  return stdout;
};

const BOOT_ID = '/proc/sys/kernel/random/boot_id';

test('each guest has a kernel of its own', async () => {
  const boots = await Promise.all(ROLES.map((role) => on(role, `cat ${BOOT_ID}`)));
  expect(new Set([...boots, readFileSync(BOOT_ID, 'utf8')]).size).toBe(3);
});

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

// Before the networks: the guests' own agents must not have taken a step yet, or each guest is a machine that a run has.
describeSsh(() => testbed);

/** AWS keeps the route table that it needs. */
const names = networkNames().filter((name) => name !== 'flannel-aws-vpc');

test('the kernel carries every network of the catalog', async () => {
  const statuses = await probeNetworks(testbed, names);
  expect(statuses.filter(({ support }) => support !== 'yes')).toEqual([]);
});

const STATE = 'ip -d link; ip addr; ip route show table all; ip netns';
/** All that a network could leave behind on a guest. */
const state = async (role: HostRole): Promise<string> => {
  const { stdout } = await testbed[role].machine.run(['sh', '-c', STATE]);
  return stdout;
};

describe.each(names)('%s', (name) => {
  test('takes its own path between containers on two kernels, and leaves both as they were', async () => {
    const before = await Promise.all(ROLES.map(state));
    {
      await using raised = await raise(testbed, findNetwork(name));
      await checkPath(testbed, raised, async () => {
        await on('client', `ping -c 1 -W 2 ${raised.server.address}`, raised.client.netns);
      });
    }
    expect(await Promise.all(ROLES.map(state))).toEqual(before);
  });
});

// Last, because it sets the guests' clocks, by which their journals tell the time.
testClock(() => testbed);
