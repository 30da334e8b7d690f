import { HistogramLogReader } from 'hdr-histogram-js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { StudyRecord, Summary, SliceRecord } from '../../src/schema/index.js';
import { barewire, endRuns, Run, sleep } from '../cli/barewire.js';
import { assertNothingLeft, snapshotMachine, type MachineSnapshot } from '../leaks.js';

const SMALL =
  'networks: [host, ipvlan, flannel-vxlan]\nrates: [5000]\nrestarts: 1\nrounds: 1\nslice: 300ms\nwarmup: 50ms\n';
/** Slices long enough to be interrupted. */
const SLOW = SMALL.replace('300ms', '500ms')
  .replace('restarts: 1', 'restarts: 2')
  .replace('rounds: 1', 'rounds: 2');

/** Its complete lines: a full disk or a crash may have cut off the last one. */
const lines = (directory: string): SliceRecord[] =>
  readFileSync(join(directory, 'slices.jsonl'), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as SliceRecord);
const summaryOf = async (directory: string): Promise<Summary> =>
  JSON.parse(await readFile(join(directory, 'summary.json'), 'utf8')) as Summary;

/** 1 where a slice failed or a cell has no valid slice, as happens on a busy machine; else 0. */
const expectedStatus = async (directory: string): Promise<number> =>
  (await summaryOf(directory)).networks.some(({ cells }) =>
    cells.some(({ slices, failedSlices }) => slices === 0 || failedSlices > 0),
  )
    ? 1
    : 0;

/** Slices that a busy machine spoils are measured again. */
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

let folder: string;
let spec: string;
let out: string;
let before: MachineSnapshot;

async function fresh(text: string): Promise<void> {
  before = await snapshotMachine();
  folder = mkdtempSync(join(tmpdir(), 'barewire-study-'));
  spec = join(folder, 'spec.yaml');
  out = join(folder, 'results');
  await writeFile(spec, text);
}

describe('a study', () => {
  let ended: Awaited<ReturnType<typeof barewire>>;
  beforeAll(async () => {
    await fresh(SMALL);
    ended = await barewire(['study', spec, '--out', out]);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("prints a table and the report's path, without colour when piped", async () => {
    expect(ended.stderr).not.toContain('\u001b');
    expect(ended.stdout).not.toContain('\u001b');
    expect(ended.stdout).toContain(`${out}/report.html`);
    expect(ended.stdout).toContain('flannel-vxlan');
    expect(ended.status).toBe(await expectedStatus(out));
  });

  it('leaves every file of the results directory', async () => {
    expect((await readdir(out)).sort()).toEqual(
      [
        'latency.hlog',
        'junit.xml',
        'report.html',
        'report.md',
        'study.json',
        'summary.csv',
        'summary.json',
        'slices.jsonl',
        'benchstat.txt',
        'bencher.json',
        'otava.json',
      ].sort(),
    );
  });

  it("writes a latency log that HdrHistogram's own reader reads", async () => {
    const reader = new HistogramLogReader(await readFile(join(out, 'latency.hlog'), 'utf8'));
    const read: { tag?: string; totalCount: number }[] = [];
    for (let next = reader.nextIntervalHistogram(); next !== null; next = reader.nextIntervalHistogram())
      read.push(next);
    const measured = lines(out).filter((slice) => slice.status === 'measured');
    expect(read).toHaveLength(2 * measured.length);
    expect(read.map(({ tag }) => tag)).toEqual(
      measured.flatMap(({ network, workload, rateRps }) =>
        ['response', 'service'].map((kind) => `${network}/${workload}/${rateRps}/${kind}`),
      ),
    );
    expect(read.map(({ totalCount }) => totalCount)).toEqual(
      measured.flatMap(({ load }) => [load.requests, load.requests]),
    );
  });

  it('writes a summary that satisfies its published schema', async () => {
    const schema = JSON.parse(
      await readFile(join(import.meta.dirname, '../../schema/summary.schema.json'), 'utf8'),
    ) as object;
    const accepts = new Ajv2020({ strict: false }).compile(schema);
    const accepted = accepts(await summaryOf(out));
    expect(accepts.errors).toBeNull();
    expect(accepted).toBe(true);
  });

  it('measures supported networks and gives a reason for the others', async () => {
    const { networks } = await summaryOf(out);
    const of = (name: string) => networks.find((network) => network.name === name);
    expect(of('host')?.status).toBe('measured');
    expect(of('flannel-vxlan')?.status).toBe('measured');
    const ipvlan = of('ipvlan');
    if (ipvlan?.status === 'unsupported')
      expect(ipvlan.finding).toMatchObject({ code: 'link-type-missing', type: 'ipvlan' });
    else expect(ipvlan?.status).toBe('measured');
  });

  it('records the evidence of a slice', () => {
    const slices = lines(out);
    for (const slice of slices) {
      expect(slice).toMatchObject({
        status: 'measured',
        load: { errors: { connect: 0, reset: 0, timeout: 0 } },
      });
      if (slice.status !== 'measured') continue;
      // Of 1,500, one more or less for each of the 64 connections, as its phase falls.
      expect(Math.abs(slice.load.intended - 1500)).toBeLessThanOrEqual(64);
      expect(slice.load.requests).toBe(slice.load.intended);
      expect(slice.metrics.server.counters['eth0.tx_packets'] ?? 0).toBeGreaterThanOrEqual(500);
      // A slice that is measured again uses the network that was set up before its first attempt.
      expect(slice.setup === null, slice.id).toBe(slice.attempt !== undefined);
    }
    const vxlan = slices.find(({ network }) => network === 'flannel-vxlan');
    expect(vxlan?.status === 'measured' && vxlan.setup?.steps).toBeGreaterThan(10);
  });

  it('is reported again from its directory', async () => {
    const first = await summaryOf(out);
    const again = await barewire(['report', out, '--json']);
    expect(JSON.parse(again.stdout)).toEqual(first);
  });

  it('restores the machine', () => assertNothingLeft(before));
});

describe('an interrupted study', () => {
  beforeEach(() => fresh(SLOW));
  afterEach(async () => {
    await endRuns();
    await assertNothingLeft(before);
    rmSync(folder, { recursive: true });
  });

  const resume = async (): Promise<void> => {
    // Measured again counts once, and a line that was cut off not at all.
    const whole = readFileSync(join(out, 'slices.jsonl'), 'utf8').split('\n').slice(0, -1);
    const measured = whole.filter((line) => !('attempt' in (JSON.parse(line) as object))).length;
    const resumed = await barewire(['study', spec, '--out', out, '--resume']);
    expect(resumed.stderr).toContain(`${measured} of them already measured`);
    expect(resumed.status).toBe(await expectedStatus(out));
    const ids = lines(out).map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect((await summaryOf(out)).complete).toBe(true);
  };

  it('restores the machine on Ctrl-C, exits with 130 and can be resumed', async () => {
    const run = new Run(['study', spec, '--out', out]);
    await run.untilSaid(/\[4\/\d+/);
    await sleep(300);
    run.signalGroup('SIGINT');
    expect((await run.ended).status).toBe(130);
    await assertNothingLeft(before);
    expect(lines(out).length).toBeGreaterThanOrEqual(2);
    await resume();
  });

  it('is undone by `undo` after a SIGKILL of its process group, and can be resumed', async () => {
    const run = new Run(['study', spec, '--out', out]);
    await run.untilSaid(/\[4\/\d+/);
    await sleep(700);
    run.signalGroup('SIGKILL');
    await run.ended;
    expect((await barewire(['undo'])).status).toBe(0);
    await assertNothingLeft(before);
    await resume();
  });

  it('is undone by the next study, which reports it', async () => {
    const run = new Run(['study', spec, '--out', out]);
    await run.untilSaid(/\[1\/\d+/);
    run.signalGroup('SIGKILL');
    await run.ended;
    const next = await barewire(['study', spec, '--out', out, '--resume']);
    expect(next.stderr).toMatch(/without cleanup: undid \d+ steps/);
    expect(next.status).toBe(await expectedStatus(out));
  });

  it('with a time continues with the rounds that fitted the networks that can run', async () => {
    const args = ['study', '--networks', 'host,ipvlan', '--rates', '500', '--restarts', '1', '--time', '10s'];
    const run = new Run([...args, '--seed', '3', '--out', out]);
    await run.untilSaid(/\[3\/\d+/);
    run.signalGroup('SIGINT');
    await run.ended;
    const { spec: first } = JSON.parse(readFileSync(join(out, 'study.json'), 'utf8')) as StudyRecord;
    const resumed = await barewire([...args, '--seed', '3', '--out', out, '--resume']);
    expect(resumed.status, resumed.stderr).toBe(await expectedStatus(out));
    expect((await summaryOf(out)).complete).toBe(true);
    expect(lines(out).filter(({ attempt }) => attempt === undefined)).toHaveLength(2 * first.rounds);
    const other = await barewire([...args.with(-1, '20s'), '--seed', '3', '--out', out, '--resume']);
    expect(other.stderr).toContain('has timeMs 10000, not 20000');
  });

  it('resumes a directory that was cut off in mid-line', async () => {
    const run = new Run(['study', spec, '--out', out]);
    await run.untilSaid(/\[4\/\d+/);
    run.signalGroup('SIGINT');
    await run.ended;
    const path = join(out, 'slices.jsonl');
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.slice(0, -25));
    await resume();
  });
});

describe('a fault during a study', () => {
  beforeEach(() => fresh(SLOW));
  afterEach(async () => {
    await endRuns();
    await barewire(['undo']);
    await assertNothingLeft(before);
    rmSync(folder, { recursive: true });
  });

  /** Processes whose command line has the word, started since the test began. */
  const pids = (word: string): number[] => {
    const known = new Set((before['processes'] ?? []).map((line) => line.trim().split(/\s+/)[0]));
    return execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.includes(word) && !line.includes('ps -eo'))
      .map((line) => line.trim().split(/\s+/)[0] ?? '')
      .filter((pid) => !known.has(pid))
      .map(Number);
  };
  const killInSlice = async (run: Run, word: string): Promise<void> => {
    for (let waited = 0; waited < 20_000; waited += 20) {
      await sleep(20);
      const [pid] = pids(word);
      if (pid === undefined) continue;
      await sleep(400);
      process.kill(pid, 'SIGKILL');
      return;
    }
    throw new Error(`no process with "${word}"; ${run.stderr}`);
  };

  it.each([
    ['nginx', 'nginx: master'],
    ['the generator', 'agent.mjs generator'],
  ])('%s: that slice fails with the reason, the others are measured, the status is 1', async (_, word) => {
    const run = new Run(['study', spec, '--out', out]);
    await run.untilSaid(/\[1\/\d+/);
    await killInSlice(run, word);
    const { status } = await run.ended;
    const failed = lines(out).filter((slice) => slice.status === 'failed');
    // The slices of one station in one restart.
    expect(new Set(failed.map(({ restart, network, role }) => `${restart} ${network} ${role}`)).size).toBe(1);
    expect(failed.length).toBeLessThanOrEqual(2);
    expect(failed[0]).toMatchObject({
      finding: { code: 'slice-failed', message: expect.stringMatching(/nginx|generator/i) as string },
    });
    expect(lines(out).filter((slice) => slice.status === 'measured').length).toBeGreaterThan(8);
    expect(status).toBe(1);
  });

  it('killed agent: the study reports the lost host and goes on with the next restart', async () => {
    const run = new Run(['study', spec, '--out', out]);
    await run.untilSaid(/\[4\/\d+/);
    await killInSlice(run, 'agent.mjs agent');
    const { status, stderr } = await run.ended;
    expect(stderr).toMatch(/Restart 1 ended early: .*(?:client|server)/);
    expect(stderr).toMatch(/--resume/);
    expect(status).toBe(1);
    const second = lines(out).filter(({ restart, attempt }) => restart === 2 && attempt === undefined);
    expect(second).toHaveLength(6);
    expect((await summaryOf(out)).complete).toBe(false);
  });

  it('full disk: the error names the path, and earlier slices survive', async () => {
    execFileSync('mkdir', [out]);
    // A study does not start with less space than 32 MiB.
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=33m', 'tmpfs', out]);
    try {
      const run = new Run(['study', spec, '--out', join(out, 'full')]);
      await run.untilSaid(/\[4\/\d+/);
      expect(() => writeFileSync(join(out, 'filler'), Buffer.alloc(40 * 2 ** 20))).toThrow('ENOSPC');
      const { status, stderr } = await run.ended;
      expect(stderr).toMatch(/Could not write/);
      expect(status).toBe(3);
      expect(lines(join(out, 'full')).length).toBeGreaterThanOrEqual(1);
    } finally {
      execFileSync('umount', [out]);
    }
  });

  it('second study: refused with the process that holds the lock', async () => {
    const first = new Run(['study', spec, '--out', out]);
    await first.untilSaid(/\[1\/\d+/);
    const second = await barewire(['study', spec, '--out', join(folder, 'second')]);
    expect(second.stderr).toMatch(new RegExp(`${first.child.pid ?? 0}.*since`, 's'));
    expect(second.status).toBe(3);
    first.signalGroup('SIGINT');
    await first.ended;
  });
});
