import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openJournals, undoAll } from '../../src/machine/index.js';
import { bindSymbols, findDockerNetwork, RUN_SYMBOL } from '../../src/network/index.js';
import type { Step } from '../../src/schema/index.js';
import { openTestbed, planTestbed, type Testbed } from '../../src/testbed/index.js';
import { dumpHosts } from '../testbed/dump.js';
import { buildStandIn, untilKilled, type Part, type StandIn } from '../machine/stand-in.js';
import { makeImages, type TestImages } from './images.js';
import { dockerTraces } from './state.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 60_000 });

const WIRE = { mtu: 1500, rateMbps: null };
let images: TestImages;
let standIn: StandIn;
let hosts: Testbed;
let state: string;
const before = process.env['BAREWIRE_STATE'];
beforeAll(async () => {
  images = makeImages();
  standIn = await buildStandIn();
  hosts = await openTestbed({ kind: 'netns' }, { wire: WIRE });
  state = mkdtempSync(join(tmpdir(), 'barewire-daemon-'));
  process.env['BAREWIRE_STATE'] = state;
});
afterAll(async () => {
  if (before === undefined) Reflect.deleteProperty(process.env, 'BAREWIRE_STATE');
  else process.env['BAREWIRE_STATE'] = before;
  await hosts[Symbol.asyncDispose]();
  rmSync(state, { recursive: true });
  standIn[Symbol.dispose]();
  images[Symbol.dispose]();
});

/** All that a server of docker-bridge takes: its daemon, its images, its network with a daemon for docker0 and its rules, and its container. */
async function stepsOf(run: string): Promise<readonly Step[]> {
  const docker = { imageNode: images.node, imageNginx: images.nginx };
  const plan = await planTestbed({ kind: 'netns', docker }, { wire: WIRE });
  const { client, server } = plan.hosts;
  const [, network] = findDockerNetwork('docker-bridge').plan({
    run: RUN_SYMBOL,
    hosts: [client.net, server.net],
  });
  const steps = [...(plan.hostSteps?.server.kept ?? []), ...(network?.steps ?? [])];
  return bindSymbols(steps, { [RUN_SYMBOL]: run });
}

test('a host with daemons of its own is restored when it is killed at each step', async () => {
  // The daemon of docker0 has no images here: its container fails, which is undone too.
  const { length } = await stepsOf('k00000');
  const [traces, host] = [dockerTraces(), dumpHosts(hosts)];
  for (let at = 1; at <= length; at++)
    for (const part of [at, at + 0.5]) {
      const run = `k${String(at).padStart(3, '0')}${part === at ? 'a' : 'b'}`;
      const netns = hosts.server.netns ?? '';
      const one: Part = { run, reach: 'here', netns, steps: await stepsOf(run), processes: [] };
      const child = standIn.start([one], { netns, killAtStep: part });
      await untilKilled(child);
      await undoAll();
      expect(dockerTraces(), `killed at ${part} of ${length}`).toEqual(traces);
      expect(dumpHosts(hosts), `killed at ${part} of ${length}`).toBe(host);
      expect(await openJournals()).toEqual([]);
    }
});
