import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Summary, SliceRecord } from '../../src/schema/index.js';
import { barewire } from '../cli/barewire.js';

let out: string;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'barewire-peer-study-'));
  out = join(folder, 'results');
});
afterEach(() => rmSync(folder, { recursive: true }));

const study = (...args: string[]) =>
  barewire([
    'study',
    '--networks',
    'host,macvlan',
    '--restarts',
    '1',
    '--rounds',
    '1',
    '--slice',
    '1s',
    '--out',
    out,
    ...args,
  ]);
const text = (name: string): string => readFileSync(join(out, name), 'utf8');
const summary = (): Summary => JSON.parse(text('summary.json')) as Summary;
const slices = (): SliceRecord[] =>
  text('slices.jsonl')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as SliceRecord);

describe('a study with an external generator', () => {
  it('measures closed loops with wrk and states it in every report', async () => {
    const ended = await study('--generator', 'wrk');
    expect(ended.stderr).toContain('Reference maximum');
    const { generator, networks } = summary();
    expect(generator).toMatchObject({ name: 'wrk', loop: 'closed', timedFrom: 'send' });
    const cells = networks.flatMap((network) => network.cells);
    expect(cells.length).toBe(2);
    for (const cell of cells) {
      expect(cell.samples).toBeGreaterThan(1000);
      expect(cell.latencyMs.p50.value).toBeGreaterThan(0.01);
    }
    for (const report of [ended.stdout, text('report.md'), text('report.html')]) {
      const plain = report.replaceAll('\\', '').replace(/\s+/g, ' ');
      expect(plain).toMatch(/A cross-check: wrk \S+ generated the load/);
      expect(plain).toContain('each slice is a closed loop');
      expect(plain).toContain('Limits of wrk');
      expect(plain).toContain('Latencies are service times, from the actual send');
      expect(plain).not.toContain('response times, from');
    }
  });

  it('measures at the rate with h2load and its CPU time', async () => {
    await study('--generator', 'h2load', '--rates', '2000');
    for (const slice of slices()) {
      expect(slice.status).toBe('measured');
      if (slice.status !== 'measured') continue;
      expect(slice.load.selfCheck.offeredRps).toBe(2000);
      expect(slice.load.requests).toBe(slice.load.intended);
      expect(slice.metrics.client.processCpuSeconds).toEqual(slice.load.cpuSeconds);
      // In whole ticks of 10 ms: one kind may have got none.
      const { user, system } = slice.metrics.client.processCpuSeconds;
      expect(user + system).toBeGreaterThan(0);
      expect(slice.metrics.server.counters['eth0.tx_packets'] ?? 0).toBeGreaterThan(1500);
    }
    expect(summary().generator?.name).toBe('h2load');
  });

  it('fails before measuring when the tool is not installed, with a remedy', async () => {
    const ended = await study('--generator', 'tcpkali', '--rates', '1000');
    expect(ended.status).toBe(3);
    expect(ended.stderr).toContain('tcpkali is not installed');
    expect(ended.stderr).toContain('Debian has no package of tcpkali');
  });

  it.each([
    ['a rate for wrk', ['--generator', 'wrk', '--rates', '10k'], /wrk takes no rate.*\n.*Omit --rates/],
    ['a tool that is not known', ['--generator', 'ab'], /generator is "ab"/],
  ])('refuses %s', async (_, args, said) => {
    const ended = await study(...args);
    expect(ended.status).toBe(2);
    expect(ended.stderr).toMatch(said);
  });
});
