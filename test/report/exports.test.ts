import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderExports } from '../../src/report/index.js';
import type { SliceFigures } from '../../src/schema/index.js';
import { fixtureSummary } from './fixture.js';

const summary = fixtureSummary();
const slices: SliceFigures[] = ['host', 'flannel-vxlan'].flatMap((network, which) =>
  Array.from({ length: 10 }, (_, at) => ({
    network,
    workload: '350B',
    rateRps: 20_000,
    rateOfMax: 0.3,
    requests: 8_000,
    p50Ms: (1 + which) * (0.05 + at * 1e-4),
    p99Ms: at === 0 ? null : 0.2,
    cpuUs: 12.5,
  })),
);
const files = new Map(renderExports(summary, slices).map(({ name, content }) => [name, content]));

describe('benchstat.txt', () => {
  it('has one line for each slice, without what a slice does not support', () => {
    const lines =
      files
        .get('benchstat.txt')
        ?.split('\n')
        .filter((line) => line.startsWith('Benchmark')) ?? [];
    expect(lines).toHaveLength(20);
    expect(lines[0]).toBe(
      'BenchmarkStudy/workload=350B/rate=30%/network=host\t8000\t50000 p50-ns\t12500 cpu-ns/req',
    );
    expect(lines[1]).toContain('200000 p99-ns');
  });

  const BENCHSTAT = 'golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da';
  const hasGo = spawnSync('go', ['version']).status === 0;
  describe.skipIf(!hasGo)('as benchstat itself reads it (skipped without Go)', () => {
    let folder = '';
    beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'barewire-benchstat-'))));
    afterAll(() => rmSync(folder, { recursive: true }));

    it('compares the networks of one study', () => {
      const path = join(folder, 'benchstat.txt');
      writeFileSync(path, files.get('benchstat.txt') ?? '');
      const { stdout, stderr, status } = spawnSync('go', ['run', BENCHSTAT, '-col', '/network', path], {
        encoding: 'utf8',
        cwd: folder,
        env: { ...process.env, GOFLAGS: '-mod=mod' },
      });
      expect(`${status} ${stderr}`).toMatch(/^0/);
      expect(stdout).toMatch(/p50-sec/);
      expect(stdout).toMatch(/\+100\.00%.*p=0\.000 n=10/);
    }, 120_000);
  });
});

it('bencher.json has a value with its interval for each measure of a cell', () => {
  const parsed = JSON.parse(files.get('bencher.json') ?? '') as Record<string, Record<string, unknown>>;
  const cell = parsed['macvlan/350B/30%'] ?? Object.values(parsed)[0];
  expect(cell?.['latency-p50-ms']).toEqual({
    value: expect.any(Number) as number,
    lower_value: expect.any(Number) as number,
    upper_value: expect.any(Number) as number,
  });
});

it('otava.json is one entry of a series: a time, metrics and attributes', () => {
  const [entry, ...more] = JSON.parse(files.get('otava.json') ?? '') as {
    timestamp: number;
    metrics: { name: string; value: number }[];
    attributes: Record<string, string>;
  }[];
  expect(more).toEqual([]);
  expect(entry?.timestamp).toBe(Math.floor(Date.parse(summary.startedAt) / 1000));
  expect(new Set(entry?.metrics.map(({ name }) => name)).size).toBe(entry?.metrics.length);
  expect(entry?.metrics.every(({ value }) => Number.isFinite(value))).toBe(true);
  expect(Object.keys(entry?.attributes ?? {})).toEqual(['study', 'testbed']);
});
