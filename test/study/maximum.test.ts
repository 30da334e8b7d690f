import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { StudyRecord, Summary, SliceRecord } from '../../src/schema/index.js';
import { newestUnfinished } from '../../src/study/index.js';
import { barewire, endRuns, Run, type Ended } from '../cli/barewire.js';
import { assertNothingLeft, snapshotMachine, type MachineSnapshot } from '../leaks.js';

const SPEC =
  'networks: [host, macvlan]\nrates: [1000]\nrestarts: 1\nrounds: 1\nslice: 300ms\nwarmup: 50ms\nobjective: max:p50<20ms\n';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

let folder: string;
let before: MachineSnapshot;
beforeAll(async () => {
  before = await snapshotMachine();
  folder = mkdtempSync(join(tmpdir(), 'barewire-maximum-'));
  await writeFile(join(folder, 'spec.yaml'), SPEC);
});
afterAll(async () => {
  await endRuns();
  rmSync(folder, { recursive: true });
  await assertNothingLeft(before);
});

const trialsIn = (directory: string): SliceRecord[] =>
  readFileSync(join(directory, 'slices.jsonl'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as SliceRecord);
const parsed = async <T>(...path: string[]): Promise<T> =>
  JSON.parse(await readFile(join(...path), 'utf8')) as T;

describe('a study with a maximum search, interrupted in the search and resumed', () => {
  let out: string;
  let kept: SliceRecord[];
  let unfinished: string;
  let broken: Ended;
  let resumed: Ended;
  let summary: Summary;
  const searchSlices = (): SliceRecord[] => trialsIn(out).filter(({ role }) => role === 'search');

  beforeAll(async () => {
    out = join(folder, 'results');
    const run = new Run(['study', join(folder, 'spec.yaml'), '--out', out]);
    await run.untilSaid(/\[search 4\]/);
    run.signalGroup('SIGINT');
    broken = await run.ended;
    kept = trialsIn(out);
    unfinished = (await newestUnfinished(folder)).path;
    resumed = await barewire(['study', '--out', out, '--resume']);
    summary = await parsed<Summary>(out, 'summary.json');
  });

  it('is interrupted and resumed', () => {
    expect(broken.status).toBe(130);
    expect(resumed.stderr).toContain('3 slices of 300 ms, 3 of them already measured');
    expect(summary.complete).toBe(true);
    expect(summary.warnings.map(({ code }) => code)).not.toContain('searches-incomplete');
  });

  it('is listed as unfinished until its search has ended', async () => {
    expect(unfinished).toBe(out);
    await expect(newestUnfinished(folder)).rejects.toMatchObject({ code: 'no-such-file' });
    mkdirSync(join(folder, 'old'));
    writeFileSync(join(folder, 'old', 'study.json'), '{"schema":7}');
    await expect(newestUnfinished(folder)).rejects.toThrow('(damaged: old)');
  });

  it('is not resumed with another objective', async () => {
    const args = ['--out', out, '--resume', '--objective', 'max:p50<1ms'];
    const { status, stderr } = await barewire(['study', join(folder, 'spec.yaml'), ...args]);
    expect(stderr).toMatch(/has objective .*20.*, not .*1/);
    expect(status).toBe(2);
  });

  it('measures each slice once', () => {
    const all = trialsIn(out);
    expect(all.slice(0, kept.length)).toEqual(kept);
    expect(kept.filter(({ role }) => role === 'search').length).toBeGreaterThanOrEqual(3);
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    expect(searchSlices().length).toBeLessThanOrEqual(32);
  });

  it('marks the slices of the search', () => {
    for (const { id, network, workload, rateOfMax, restart } of searchSlices()) {
      expect(id).toMatch(new RegExp(`^max-${workload}-${network}-\\d\\d$`));
      expect(rateOfMax).toBeNull();
      expect(restart).toBeGreaterThan(1);
    }
    expect(summary.restarts).toBe(1);
    for (const { cells } of summary.networks) expect(cells.map(({ rateRps }) => rateRps)).toEqual([1000]);
  });

  it('gives each network a maximum with an interval or a finding', async () => {
    const { referenceMaxRps } = await parsed<StudyRecord>(out, 'study.json');
    expect(referenceMaxRps['350B']).toBeGreaterThan(1000);
    for (const { maxRps, maxRpsByWorkload } of summary.networks) {
      expect(maxRpsByWorkload).toEqual({ '350B': maxRps });
      if (maxRps?.value == null) {
        // On a busy machine the self-check may fail in too many slices to find any.
        expect(maxRps?.finding.code).toBeTruthy();
        continue;
      }
      expect(maxRps.value).toBeGreaterThan(1000);
      expect(maxRps.low).toBeLessThanOrEqual(maxRps.value);
      expect(maxRps.high ?? Infinity).toBeGreaterThanOrEqual(maxRps.value);
    }
  });

  it('shows the maxima in its table and reports', async () => {
    expect(resumed.stdout).toMatch(
      /highest rate that half of the slices sustain \(99 % of it\s+achieved\s+and\s+p50<20ms\)/,
    );
    expect(summary).toMatchObject({ objective: 'max:p50<20ms', maximumLimit: 'p50<20ms' });
    expect(await readFile(join(out, 'report.html'), 'utf8')).toContain('and p50&lt;20ms');
  });

  it('has one restart and reports that its cells have no intervals', () => {
    expect(summary.warnings).toContainEqual({ code: 'single-restart' });
    for (const { cells } of summary.networks)
      for (const { latencyMs } of cells)
        if (latencyMs.p50.value !== null) expect(latencyMs.p50).toMatchObject({ low: null, high: null });
  });
});

it('a dry run prints the search', async () => {
  const { stdout, status } = await barewire(['study', join(folder, 'spec.yaml'), '--dry-run']);
  expect(stdout).toMatch(/search.*maximum.*p50<20ms/);
  expect(status).toBe(0);
});
