import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { freshRunId, openJournals, undoAll } from '../../src/machine/index.js';
import { bindSymbols, findNetwork, RUN_SYMBOL } from '../../src/network/index.js';
import { printAction } from '../../src/schema/index.js';
import {
  checkPath,
  openTestbed,
  planPair,
  planTestbed,
  probeNetworks,
  setUpNetwork,
  type Testbed,
} from '../../src/testbed/index.js';
import { buildStandIn, untilKilled, type Part, type StandIn } from '../machine/stand-in.js';
import { dumpHosts, onHost, settle } from './dump.js';

const wire = { mtu: 1500, rateMbps: null };
const AWS_VPC = findNetwork('flannel-aws-vpc');
const networks = ['host', AWS_VPC.name];
const packetsThrough = (testbed: Testbed, link: string): number =>
  Number(onHost(testbed, 'client', `cat /sys/class/net/${link}/statistics/tx_packets`));

describe('between namespaces', () => {
  let testbed: Testbed;
  beforeAll(async () => {
    testbed = await openTestbed({ kind: 'netns' }, { wire, networks });
    await settle(testbed);
  });
  afterAll(() => testbed[Symbol.asyncDispose]());

  test('packets cross the router, which takes a hop, and not the wire', async () => {
    await using active = await setUpNetwork(testbed, AWS_VPC);
    const { client, server } = active;
    const before = packetsThrough(testbed, 'eth0');
    const ping = async (): Promise<string> => {
      const argv = ['ping', '-c', '1', '-W', '2', server.address];
      return (await testbed.client.machine.run(argv, { netns: client.netns })).stdout;
    };
    await checkPath(testbed, active, async () => {
      await ping();
    });
    // 64 less the two hosts and the router.
    expect(await ping()).toContain('ttl=61');
    expect(packetsThrough(testbed, 'eth0')).toBe(before);
  });

  test('is supported with a caveat', async () => {
    const [, status] = await probeNetworks(testbed, [findNetwork('host'), AWS_VPC]);
    expect(status).toMatchObject({
      support: 'yes',
      finding: null,
      caveat: { code: 'limitation', limitation: 'vpc-namespace' },
    });
  });

  test('is refused on hosts outside of a VPC, with what would measure it', async () => {
    const outside = (role: 'client' | 'server') => {
      const { vpc: _, ...net } = testbed[role].net;
      return { ...testbed[role], net };
    };
    const hosts = { client: outside('client'), server: outside('server') };
    const [status] = await probeNetworks(hosts, [AWS_VPC]);
    expect(status).toMatchObject({ support: 'no', finding: { code: 'platform-missing' } });
  });
});

test('a study without it has no router', async () => {
  const { steps } = await planTestbed({ kind: 'netns' }, { wire, networks: ['host', 'flannel-host-gw'] });
  expect(steps.map(({ do: action }) => printAction(action)).join('\n')).not.toContain('vpc');
});

test('its interfaces have the rate of the wire', async () => {
  const { steps } = await planTestbed(
    { kind: 'netns' },
    { wire: { mtu: 1500, rateMbps: 100 }, networks: [AWS_VPC.name] },
  );
  const limits = steps.map(({ do: action }) => printAction(action)).filter((line) => line.includes('tbf'));
  expect(limits).toEqual([
    expect.stringContaining('dev eth0'),
    expect.stringContaining('dev vpc0'),
    expect.stringContaining('dev eth0'),
    expect.stringContaining('dev vpc0'),
  ]);
});

describe('after SIGKILL', async () => {
  let standIn: StandIn;
  let state: string;
  beforeAll(async () => (standIn = await buildStandIn()));
  afterAll(() => standIn[Symbol.dispose]());
  beforeEach(async () => {
    state = await mkdtemp(join(tmpdir(), 'barewire-state-'));
    vi.stubEnv('BAREWIRE_STATE', state);
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(state, { recursive: true });
  });

  const planned = await planTestbed({ kind: 'netns' }, { wire, networks });
  const hosts = planPair(AWS_VPC, { run: RUN_SYMBOL }, planned.hosts);
  const upTo = (steps: number): number[] => [
    ...Array.from({ length: steps }, (_, index) => index + 1),
    steps + 0.5,
  ];
  const killAt = async (part: Part, at: number, netns?: string): Promise<void> => {
    const child = standIn.start([part], { killAtStep: at, ...(netns !== undefined && { netns }) });
    expect(await untilKilled(child)).toBe('SIGKILL');
  };

  test.each(upTo(planned.steps.length))('at step %d of the hosts, undo leaves nothing', async (at) => {
    const run = freshRunId();
    const { steps } = bindSymbols(planned, { [RUN_SYMBOL]: run });
    await killAt({ run, reach: 'here', netns: null, steps, processes: [] }, at);
    await undoAll();
    const left = existsSync('/run/netns') ? readdirSync('/run/netns') : [];
    expect(left.filter((name) => name.includes(run))).toEqual([]);
    expect(await openJournals()).toEqual([]);
  });

  describe('within the hosts', () => {
    let testbed: Testbed;
    beforeAll(async () => {
      testbed = await openTestbed({ kind: 'netns' }, { wire, networks });
      await settle(testbed);
    });
    afterAll(() => testbed[Symbol.asyncDispose]());

    test.each(upTo(hosts.client.steps.length))(
      'at step %d of the network, undo leaves the host as it was',
      async (at) => {
        const { run } = testbed;
        const before = dumpHosts(testbed);
        const { steps } = bindSymbols(hosts.client, { [RUN_SYMBOL]: run });
        const netns = testbed.client.netns ?? '';
        const part = { run: `${run}k`, reach: 'here', netns, steps, processes: [] } as const;
        await killAt(part, at, netns);
        await undoAll();
        expect(dumpHosts(testbed)).toBe(before);
      },
    );
  });
});
