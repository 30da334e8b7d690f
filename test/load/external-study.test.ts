import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Summary, SliceRecord } from '../../src/schema/index.js';
import { barewire } from '../cli/barewire.js';
import { testCache } from '../go-programs.js';

/** Built as CONTRIBUTING.md says. */
const TCPKALI = testCache('external', 'tcpkali');

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

  it('refuses a fork that lacks an option before it measures', async () => {
    writeFileSync(join(folder, 'wrk2'), "#!/bin/sh\necho 'wrk 4.0.0 [epoll] --rate --latency --timeout'\n", {
      mode: 0o755,
    });
    const ended = await barewire(
      ['study', '--networks', 'host,macvlan', '--rates', '1000', '--generator', 'wrk2', '--out', out],
      ['env', `PATH=${folder}:${process.env['PATH'] ?? ''}`],
    );
    expect(ended.status).toBe(3);
    expect(ended.stderr).toMatch(
      /The program wrk2 on \w+ is a fork of wrk2, or too old: it has no --u_latency, --connections, --threads, --duration/,
    );
    expect(existsSync(join(out, 'slices.jsonl'))).toBe(false);
  });

  it.skipIf(!existsSync(TCPKALI))(
    `measures at the rate with the real tcpkali (skipped without ${TCPKALI})`,
    async () => {
      const ended = await barewire(
        [
          'study',
          '--networks',
          'host,macvlan',
          '--rates',
          '2000',
          '--generator',
          'tcpkali',
          '--out',
          out,
        ].concat(...[['--restarts', '1', '--rounds', '1', '--slice', '1s']]),
        ['env', `PATH=${testCache('external')}:${process.env['PATH'] ?? ''}`],
      );
      expect(ended.stdout).toMatch(/tcpkali/);
      const measured = slices().filter((slice) => slice.status === 'measured');
      expect(measured.length).toBeGreaterThanOrEqual(2);
      for (const { load } of measured) {
        expect(load.requests).toBeGreaterThan(1000);
        // On a busy machine it may miss its rate; then the slice says so.
        expect(load.selfCheck.valid).toBe(Math.abs(load.achievedRps / 2000 - 1) <= 0.01);
      }
    },
  );

  it('fails before measuring when the tool is not installed, with a remedy', async () => {
    const ended = await study('--generator', 'tcpkali', '--rates', '1000');
    expect(ended.status).toBe(3);
    expect(ended.stderr).toContain('tcpkali is not installed');
    expect(ended.stderr).toContain('Debian has no package of tcpkali');
  });

  it.each([
    ['a rate for wrk', ['--generator', 'wrk', '--rates', '10k'], /wrk takes no rate.*\n.*Omit --rates/],
    [
      'a tool that is not known',
      ['--generator', 'ab'],
      /--generator must be barewire or .*tcpkali, got "ab"/,
    ],
  ])('refuses %s', async (_, args, said) => {
    const ended = await study(...args);
    expect(ended.status).toBe(2);
    expect(ended.stderr).toMatch(said);
  });
});
