import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test, vi } from 'vitest';
import { connectAgent, openJournals, undoAll } from '../../src/machine/index.js';
import { bindSymbols, findDockerNetwork, RUN_SYMBOL, type ContainerEngine } from '../../src/network/index.js';
import type { Step } from '../../src/schema/index.js';
import { openTestbed, type Testbed } from '../../src/testbed/index.js';
import { buildStandIn, killGroup, until, untilKilled, type Part, type StandIn } from '../machine/stand-in.js';
import { makeImages, type TestImages } from './images.js';
import { openUsersHost, type UsersHost } from './users-host.js';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const WIRE = { mtu: 1500, rateMbps: null };
const NETWORKS = ['host', 'macvlan', 'host-gw-ptp', 'flannel-host-gw', 'flannel-vxlan'];

let images: TestImages;
let standIn: StandIn;
let hosts: Testbed;
let server: UsersHost;
let state: string;
const saved = { ...process.env };
beforeAll(async () => {
  images = makeImages();
  standIn = await buildStandIn();
  state = mkdtempSync(join(tmpdir(), 'barewire-users-'));
  hosts = await openTestbed({ kind: 'netns' }, { wire: WIRE });
  server = await openUsersHost(hosts.server.netns ?? '', [images.nginx]);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await hosts[Symbol.asyncDispose]();
  rmSync(state, { recursive: true });
  standIn[Symbol.dispose]();
  images[Symbol.dispose]();
});
beforeEach(() => {
  process.env['BAREWIRE_STATE'] = state;
  process.env['DOCKER_HOST'] = server.socket;
});
afterEach(() => {
  for (const name of ['BAREWIRE_STATE', 'DOCKER_HOST'])
    if (saved[name] === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = saved[name];
});

/** The server's part of a network, by the user's daemon. */
function stepsOf(name: string, run: string): readonly Step[] {
  const engine: ContainerEngine = {
    daemon: null,
    image: 'barewire.test/nginx:1',
    bundle: null,
    cpus: [],
    bridgeDaemon: null,
  };
  const { client, server: own } = hosts;
  const [, plan] = findDockerNetwork(name).plan({
    run: RUN_SYMBOL,
    hosts: [
      { ...client.net, docker: engine },
      { ...own.net, docker: engine },
    ],
  });
  return bindSymbols(plan?.steps ?? [], { [RUN_SYMBOL]: run });
}

let count = 0;
const freshRun = (): string => `u${String(++count).padStart(4, '0')}`;

test('a user finds what Docker does to a host', () => {
  expect(server.dump()).toContain(':FORWARD DROP');
});

describe.each(NETWORKS)('%s', (name) => {
  test("is set up and torn down by the user's daemon without a change to what the user has", async () => {
    const before = server.dump();
    const run = freshRun();
    const machine = await connectAgent({ run, host: 'server', netns: hosts.server.netns ?? '' });
    try {
      await machine.apply(stepsOf(name, run));
      expect(server.docker('ps', '--quiet', '--filter', `label=barewire.run=${run}`)).not.toBe('');
      await machine.undo();
      expect(server.dump()).toBe(before);
    } finally {
      await machine[Symbol.asyncDispose]();
    }
  });

  test('is undone when it is killed at each step', async () => {
    const before = server.dump();
    const { length } = stepsOf(name, 'u00000');
    for (let at = 1; at <= length; at++) {
      const run = freshRun();
      const netns = hosts.server.netns ?? '';
      const part: Part = { run, reach: 'here', netns, steps: stepsOf(name, run), processes: [] };
      const child = standIn.start([part], { netns, killAtStep: at });
      expect(await untilKilled(child)).toBe('SIGKILL');
      await undoAll();
      expect(server.dump(), `killed at step ${at} of ${length}`).toBe(before);
      expect(await openJournals()).toEqual([]);
    }
  });
});

test.each([0, 40, 80, 120, 200, 300, 450])(
  'a network that is killed %d ms after its first step is undone',
  async (ms) => {
    const before = server.dump();
    const run = freshRun();
    const netns = hosts.server.netns ?? '';
    const part: Part = { run, reach: 'agent', netns, steps: stepsOf('flannel-vxlan', run), processes: [] };
    const child = standIn.start([part]);
    await until(child, 'taking');
    await new Promise((resolve) => setTimeout(resolve, ms));
    killGroup(child);
    await untilKilled(child);
    await undoAll();
    expect(server.dump()).toBe(before);
    expect(await openJournals()).toEqual([]);
  },
);
