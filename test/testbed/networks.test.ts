import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findNetwork, networkNames } from '../../src/network/index.js';
import { openTestbed, probeNetworks, raise, type HostRole, type Testbed } from '../../src/testbed/index.js';
import { dumpHosts, settle } from './dump.js';

let testbed: Testbed;
beforeAll(async () => {
  testbed = await openTestbed('netns', { wire: { mtu: 1500, rateMbps: null } });
  await settle(testbed);
});
afterAll(() => testbed[Symbol.asyncDispose]());

async function reaches(from: HostRole, netns: string | null, address: string): Promise<boolean> {
  const argv = ['ping', '-q', '-c', '1', '-W', '1', address];
  return (await testbed[from].machine.run(argv, { netns })).code === 0;
}

async function carriesBothWays(name: string): Promise<void> {
  await using raised = await raise(testbed, findNetwork(name));
  const { client, server } = raised;
  expect(await reaches('client', client.netns, server.address)).toBe(true);
  expect(await reaches('server', server.netns, client.address)).toBe(true);
}

describe.each(networkNames())('%s', (name) => {
  test('carries packets both ways, twice, and leaves both hosts as they were', async (context) => {
    const [status] = await probeNetworks(testbed, [name]);
    context.skip(status?.support === 'no', `not supported: ${status?.reason ?? ''}`);
    const before = dumpHosts(testbed);
    await carriesBothWays(name);
    expect(dumpHosts(testbed)).toBe(before);
    await carriesBothWays(name);
    expect(dumpHosts(testbed)).toBe(before);
  });
});

test('a network counts its steps and its time on both hosts', async () => {
  const raised = await raise(testbed, findNetwork('flannel-host-gw'));
  expect(raised.steps).toBe(22);
  expect(raised.upMs).toBeGreaterThan(0);
  expect(await raised.lower()).toBeGreaterThan(0);
});

test('a network that is lowered twice goes down once', async () => {
  const raised = await raise(testbed, findNetwork('macvlan'));
  const downMs = await raised.lower();
  expect(await raised.lower()).toBe(downMs);
  await raised[Symbol.asyncDispose]();
});

test('a network that fails on one host is put back on both', async () => {
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
  await expect(raise(testbed, broken)).rejects.toMatchObject({ code: 'step-failed' });
  expect(dumpHosts(testbed)).toBe(before);
  await carriesBothWays('flannel-vxlan');
});
