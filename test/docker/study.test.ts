import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { SliceRecord, Summary } from '../../src/schema/index.js';
import { barewire, endRuns, Run, sleep } from '../cli/barewire.js';
import { assertNothingLeft, snapshotMachine, type MachineSnapshot } from '../leaks.js';
import { makeImages, type TestImages } from './images.js';
import { dockerTraces } from './state.js';

vi.setConfig({ testTimeout: 600_000, hookTimeout: 60_000 });

/** Moments within the time that two restarts take: other ones in each run of the test. */
const KILLS = 3;
const [FROM_MS, UNTIL_MS] = [300, 20_000];

let images: TestImages;
let folder: string;
let before: MachineSnapshot;
let traces: ReturnType<typeof dockerTraces>;
beforeAll(() => (images = makeImages()));
afterAll(() => images[Symbol.dispose]());
beforeEach(async () => {
  before = await snapshotMachine();
  traces = dockerTraces();
  folder = mkdtempSync(join(tmpdir(), 'barewire-docker-'));
});
afterEach(async () => {
  await endRuns();
  rmSync(folder, { recursive: true });
});

function writeSpec(networks: string): string {
  const path = join(folder, 'spec.yaml');
  const imageKeys = `imageNode: ${images.node}\nimageNginx: ${images.nginx}\n`;
  const extent = 'rates: [5000]\nrestarts: 2\nrounds: 2\nslice: 600ms\nwarmup: 200ms\nseed: 4\n';
  writeFileSync(path, `containers: docker\nnetworks: [${networks}]\n${imageKeys}${extent}`);
  return path;
}

const slicesOf = (out: string): SliceRecord[] =>
  readFileSync(join(out, 'slices.jsonl'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as SliceRecord);

const assertRestored = async (): Promise<void> => {
  await assertNothingLeft(before);
  expect(dockerTraces()).toEqual(traces);
};

test('a study measures networks between real containers and restores the machine', async () => {
  const out = join(folder, 'results');
  const spec = writeSpec(
    'host, macvlan, host-gw-ptp, flannel-host-gw, flannel-vxlan, flannel-aws-vpc, docker-bridge',
  );
  const { status, stderr } = await barewire(['study', spec, '--out', out]);
  const slices = slicesOf(out);
  const failed = slices.flatMap((slice) => (slice.status === 'failed' ? [slice.finding] : []));
  expect(failed, stderr).toEqual([]);
  expect(status, stderr).toBe(0);
  expect([...new Set(slices.map(({ network }) => network))].sort()).toEqual([
    'docker-bridge',
    'flannel-aws-vpc',
    'flannel-host-gw',
    'flannel-vxlan',
    'host',
    'host-bare',
    'host-gw-ptp',
    'macvlan',
  ]);
  for (const slice of slices) {
    if (slice.status !== 'measured') continue;
    // Of the processes in the containers, as the host sees them.
    const { server, client } = slice.metrics;
    expect(client.processCpuSeconds.user + client.processCpuSeconds.system, slice.network).toBeGreaterThan(0);
    if (slice.network !== 'host' && slice.network !== 'host-bare')
      expect(Object.keys(server.counters), slice.network).toContain('container:eth0.rx_packets');
    // A host of docker-bridge translates the addresses of its containers to its own.
    const source = slice.network === 'docker-bridge' ? /^198\.18\./ : /^own$/;
    if (slice.setup !== null) expect(slice.setup.sourceAddress, slice.network).toMatch(source);
  }
  const summary = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as Summary;
  expect(summary.complete).toBe(true);
  await assertRestored();
});

test('a study killed at random moments leaves nothing behind after undo', async () => {
  const out = join(folder, 'results');
  const spec = writeSpec('host, flannel-vxlan, docker-bridge');
  const kills: number[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    const run = new Run(['study', spec, '--out', out, '--resume']);
    const afterMs = FROM_MS + Math.random() * (UNTIL_MS - FROM_MS);
    kills.push(Math.round(afterMs));
    await Promise.race([sleep(afterMs), run.ended]);
    // With its group the agents die too; otherwise they undo their own steps.
    if (kill % 2 === 0) run.signalGroup('SIGKILL');
    else run.child.kill('SIGKILL');
    await run.ended;
    const { status, stderr } = await barewire(['undo']);
    expect(status, `killed after ${kills.join(', ')} ms: ${stderr}`).toBe(0);
    await assertRestored().catch((error: unknown) => {
      throw new Error(`killed after ${kills.join(', ')} ms`, { cause: error });
    });
  }
  const { stderr } = await barewire(['study', spec, '--out', out, '--resume']);
  const first = slicesOf(out).filter(({ attempt }) => attempt === undefined);
  expect(new Set(first.map(({ id }) => id)).size, stderr).toBe(first.length);
  expect((JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as Summary).complete, stderr).toBe(
    true,
  );
  await assertRestored();
});
