import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findNetwork, networkNames } from '../../src/network/index.js';
import {
  openTestbed,
  probeNetworks,
  setUpNetwork,
  type HostRole,
  type Testbed,
} from '../../src/testbed/index.js';
import { dumpHosts, settle } from './dump.js';

const wire = { mtu: 1500, rateMbps: null };
let testbed: Testbed;
let testbed6: Testbed;
beforeAll(async () => {
  testbed = await openTestbed({ kind: 'netns' }, { wire });
  testbed6 = await openTestbed({ kind: 'netns' }, { wire, ip: 6 });
  await Promise.all([settle(testbed), settle(testbed6)]);
});
afterAll(async () => {
  await testbed[Symbol.asyncDispose]();
  await testbed6[Symbol.asyncDispose]();
});

async function reaches(
  bed: Testbed,
  from: HostRole,
  netns: string | null,
  address: string,
): Promise<boolean> {
  const argv = ['ping', '-q', '-c', '1', '-W', '1', address];
  return (await bed[from].machine.run(argv, { netns })).code === 0;
}

async function carriesBothWays(name: string, bed = testbed): Promise<void> {
  await using active = await setUpNetwork(bed, findNetwork(name));
  const { client, server } = active;
  expect(await reaches(bed, 'client', client.netns, server.address)).toBe(true);
  expect(await reaches(bed, 'server', server.netns, client.address)).toBe(true);
}

describe.each(networkNames())('%s', (name) => {
  test.for([4, 6])(
    'carries IPv%i both ways, twice, and leaves both hosts as they were',
    async (ip, context) => {
      const bed = ip === 4 ? testbed : testbed6;
      const [status] = await probeNetworks(bed, [findNetwork(name)]);
      context.skip(status?.support === 'no', `not supported: ${JSON.stringify(status?.finding)}`);
      const before = dumpHosts(bed);
      await carriesBothWays(name, bed);
      expect(dumpHosts(bed)).toBe(before);
      await carriesBothWays(name, bed);
      expect(dumpHosts(bed)).toBe(before);
    },
  );
});

test('a network reports steps and time on both hosts', async () => {
  const active = await setUpNetwork(testbed, findNetwork('flannel-host-gw'));
  expect(active.steps).toBe(22);
  expect(active.setUpMs).toBeGreaterThan(0);
  expect(await active.tearDown()).toBeGreaterThan(0);
});

test('tearing down a network twice tears it down once', async () => {
  const active = await setUpNetwork(testbed, findNetwork('macvlan'));
  const tearDownMs = await active.tearDown();
  expect(await active.tearDown()).toBe(tearDownMs);
  await active[Symbol.asyncDispose]();
});

test('a network that fails on one host is undone on both', async () => {
  const before = dumpHosts(testbed);
  const whole = findNetwork('flannel-vxlan');
  const broken = {
    ...whole,
    plan: (request: Parameters<typeof whole.plan>[0]) =>
      whole.plan(request).map((plan) =>
        plan.host === 'client'
          ? plan
          : {
              ...plan,
              steps: plan.steps.map((step) =>
                step.do.kind === 'command' && step.do.tool === 'bridge'
                  ? { ...step, do: { ...step.do, args: ['fdb', 'add', 'no-mac', 'dev', 'flannel.1'] } }
                  : step,
              ),
            },
      ),
  };
  await expect(setUpNetwork(testbed, broken)).rejects.toMatchObject({ code: 'step-failed' });
  expect(dumpHosts(testbed)).toBe(before);
  await carriesBothWays('flannel-vxlan');
});
