import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { SliceRecord, Summary } from '../../src/schema/index.js';
import { barewire, endRuns, Run, sleep } from '../cli/barewire.js';
import { assertNothingLeft, snapshotMachine, type MachineSnapshot } from '../leaks.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 60_000 });

const SPEC =
  'networks: [host, flannel-aws-vpc, flannel-vxlan]\nrates: [2000, 4000]\nrestarts: 2\nrounds: 3\nslice: 200ms\nwarmup: 20ms\nseed: 4\n';
/** Moments within the time that two restarts take: other ones in each run of the test. */
const KILLS = 6;
const FROM_MS = 300;
const UNTIL_MS = 11_000;

let folder: string;
let before: MachineSnapshot;
beforeEach(async () => {
  before = await snapshotMachine();
  folder = mkdtempSync(join(tmpdir(), 'barewire-killed-'));
  writeFileSync(join(folder, 'spec.yaml'), SPEC);
});
afterEach(async () => {
  await endRuns();
  rmSync(folder, { recursive: true });
});

const slicesOf = (out: string): SliceRecord[] =>
  readFileSync(join(out, 'slices.jsonl'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as SliceRecord);

it('a study killed at random moments of its rounds leaves nothing behind, and resumes to the same slices', async () => {
  const out = join(folder, 'results');
  const kills: number[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    const run = new Run(['study', join(folder, 'spec.yaml'), '--out', out, '--resume']);
    const afterMs = FROM_MS + Math.random() * (UNTIL_MS - FROM_MS);
    kills.push(Math.round(afterMs));
    await Promise.race([sleep(afterMs), run.ended]);
    run.child.kill('SIGKILL');
    await run.ended;
    const { status, stderr } = await barewire(['undo']);
    expect(status, `killed after ${kills.join(', ')} ms: ${stderr}`).toBe(0);
    await assertNothingLeft(before).catch((error: unknown) => {
      throw new Error(`killed after ${kills.join(', ')} ms`, { cause: error });
    });
  }
  const { stderr } = await barewire(['study', join(folder, 'spec.yaml'), '--out', out, '--resume']);
  const slices = slicesOf(out);
  const first = slices.filter(({ attempt }) => attempt === undefined).map(({ id }) => id);
  // 2 restarts × 3 rounds × 4 stations × 2 rates.
  expect(new Set(first).size, stderr).toBe(48);
  expect(first).toHaveLength(48);
  const summary = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as Summary;
  expect(summary.complete).toBe(true);
  await assertNothingLeft(before);
});
