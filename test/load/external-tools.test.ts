import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { describeExternal, EXTERNAL_GENERATORS, type ExternalName } from '../../src/load/index.js';
import { externalResultSchema, type LoadPlan } from '../../src/schema/index.js';
import { Histogram } from '../../src/stats/index.js';
import { snapshotMachine } from '../leaks.js';
import { useExternalHost } from './external-host.js';
import { faultyServer, okResponse, planFor, respondToAll } from './servers.js';

const PATH = process.env['PATH'] ?? '';
const host = useExternalHost();
const closed: Partial<LoadPlan> = { mode: { kind: 'closed' }, durationMs: 1000 };
const open = (rateRps: number): Partial<LoadPlan> => ({
  mode: { kind: 'open', rateRps, arrival: 'constant' },
  durationMs: 1000,
});

describe.each<[ExternalName, Partial<LoadPlan>]>([
  ['wrk', closed],
  ['h2load', open(2000)],
])('%s against a real nginx', (name, changes) => {
  test('gives a histogram with a sample for each response', async () => {
    await using generator = await host.open(name);
    const plan = planFor(host.nginx().port, changes);
    await generator.check(plan.target, plan.expect);
    const edges: string[] = [];
    const result = await generator.run(plan, { onWindow: (edge) => edges.push(edge) });
    expect(externalResultSchema.parse(JSON.parse(JSON.stringify(result)))).toEqual(result);
    expect(edges).toEqual(['open', 'close']);
    expect(result.requests).toBeGreaterThan(500);
    expect(result.requests).toBe(result.intended);
    const response = Histogram.decode(result.response);
    expect(response.count).toBe(result.requests);
    expect(response.quantile(0.5)).toBeGreaterThan(10_000);
    expect(response.max).toBeLessThan(1e9);
    expect(result.durationS).toBeGreaterThan(0.9);
    expect(result.durationS).toBeLessThan(1.5);
    expect(result.cpuSeconds.user + result.cpuSeconds.system).toBeGreaterThan(0.005);
  });

  test('leaves no file and no process', async () => {
    const generator = await host.open(name);
    const plan = planFor(host.nginx().port, changes);
    await generator.check(plan.target, plan.expect);
    await generator.run(plan);
    await generator[Symbol.asyncDispose]();
    const { runFiles = [], processes = [] } = await snapshotMachine();
    expect([...runFiles, ...processes].filter((line) => line.includes(host.run()))).toEqual([]);
  });

  test('can be interrupted in mid-run', async () => {
    await using generator = await host.open(name);
    const plan = planFor(host.nginx().port, { ...changes, durationMs: 20_000 });
    await generator.check(plan.target, plan.expect);
    const stop = new AbortController();
    const start = performance.now();
    setTimeout(() => stop.abort(), 500);
    await expect(generator.run(plan, { signal: stop.signal })).rejects.toMatchObject({ code: 'interrupted' });
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe('wrk', () => {
  test('has the latencies of its correction removed exactly', async () => {
    // Each tenth request stalls for far longer than the mean time between two.
    await using server = await faultyServer((socket) => {
      let requested = 0;
      socket.on('data', () => {
        const isStalled = requested++ % 10 === 9;
        setTimeout(() => socket.write(okResponse()), isStalled ? 60 : 1);
      });
    });
    await using generator = await host.open('wrk');
    const plan = planFor(server.port, { ...closed, connections: 4 });
    await generator.check(plan.target, plan.expect);
    const result = await generator.run(plan);
    const response = Histogram.decode(result.response);
    expect(response.count).toBe(result.requests);
    // A tenth was slow, and nothing lies between the two kinds but what wrk would have made up.
    expect(response.quantile(0.85)).toBeLessThan(30e6);
    expect(response.quantile(0.95)).toBeGreaterThan(55e6);
    const between = [...response.cells()].filter(({ lowNs, highNs }) => lowNs > 35e6 && highNs < 55e6);
    expect(between.reduce((sum, { count }) => sum + count, 0)).toBeLessThan(result.requests / 50);
  });

  test('reports within the time limit after a long stall', async () => {
    const stallsAtMs = performance.now() + 600;
    await using server = await faultyServer((socket) => {
      let isHeld = false;
      socket.on('data', () => {
        const hold = !isHeld && performance.now() > stallsAtMs;
        isHeld ||= hold;
        setTimeout(() => socket.write(okResponse()), hold ? 400 : 0);
      });
    });
    await using generator = await host.open('wrk');
    const plan = planFor(server.port, { ...closed, connections: 100, durationMs: 2000 });
    await generator.check(plan.target, plan.expect);
    const start = performance.now();
    const result = await generator.run(plan);
    expect(performance.now() - start).toBeLessThan(5000);
    const stalled = [...Histogram.decode(result.response).cells()].filter(({ lowNs }) => lowNs > 395e6);
    expect(stalled.reduce((sum, { count }) => sum + count, 0)).toBeGreaterThanOrEqual(99);
  });

  test('reports responses with an error status among its latencies', async () => {
    await using server = await faultyServer(respondToAll(okResponse().replace('200 OK', '500 No')));
    await using generator = await host.open('wrk');
    const plan = planFor(server.port, { ...closed, expect: { status: 500, bodyBytes: 100 } });
    await generator.check(plan.target, plan.expect);
    const { selfCheck } = await generator.run(plan);
    expect(selfCheck.valid).toBe(false);
    expect(selfCheck.findings.map(({ code }) => code)).toContain('error-statuses-timed');
  });
});

describe('h2load', () => {
  test('counts an unexpected status as an error', async () => {
    await using generator = await host.open('h2load');
    const plan = planFor(host.nginx().port, { ...open(500), expect: { status: 404, bodyBytes: null } });
    await generator.check({ ...plan.target, path: '/none' }, plan.expect);
    const result = await generator.run(plan);
    expect(result.requests).toBe(0);
    expect(result.errors.status).toBeGreaterThan(400);
    expect(result.selfCheck.valid).toBe(false);
  });

  test('is invalid when it misses its rate', async () => {
    await using server = await faultyServer((socket) => {
      socket.on('data', () => setTimeout(() => socket.write(okResponse()), 50));
    });
    await using generator = await host.open('h2load');
    const plan = planFor(server.port, open(2000));
    await generator.check(plan.target, plan.expect);
    const { selfCheck } = await generator.run(plan);
    expect(selfCheck.valid).toBe(false);
    expect(selfCheck.findings).toContainEqual(
      expect.objectContaining({ code: 'rate-missed', generator: 'h2load', offeredRps: 2000 }),
    );
  });
});

const WRK2_OPTIONS = EXTERNAL_GENERATORS.wrk2.options;
const wrk2Text = (options: readonly string[]): string =>
  `wrk 4.0.0 [epoll] Copyright (C) 2012 Will Glozer ${options.join(' ')}`;

describe('finding a tool', () => {
  let folder: string;
  const install = (program: string, text: string): void =>
    writeFileSync(join(folder, program), `#!/bin/sh\necho '${text}'\n`, { mode: 0o755 });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'barewire-path-'));
    vi.stubEnv('PATH', folder);
  });
  afterEach(() => {
    vi.stubEnv('PATH', PATH);
    rmSync(folder, { recursive: true });
  });

  test.each<[ExternalName, RegExp]>([
    ['wrk', /apt-get install wrk$/],
    ['h2load', /apt-get install nghttp2-client$/],
    ['wrk2', /Debian has no package of wrk2: build it/],
    ['tcpkali', /Debian has no package of tcpkali: build it/],
  ])('that is not there says how to get it: %s', async (name, hint) => {
    await expect(host.open(name)).rejects.toMatchObject({
      code: 'missing-tool',
      fault: 'machine',
      hint: expect.stringMatching(hint) as string,
    });
  });

  test('recognises wrk2 installed under the name wrk', async () => {
    install('wrk', wrk2Text(WRK2_OPTIONS));
    await expect(describeExternal(host.machine(), 'wrk2')).resolves.toMatchObject({
      name: 'wrk2',
      version: '4.0.0',
    });
    await expect(describeExternal(host.machine(), 'wrk')).rejects.toMatchObject({ code: 'missing-tool' });
  });

  test.each<[ExternalName, string, string, RegExp]>([
    ['wrk2', 'wrk2', wrk2Text(WRK2_OPTIONS.filter((option) => option !== '--u_latency')), /no --u_latency\./],
    [
      'wrk2',
      'wrk2',
      'wrk 4.2.0 [epoll] --threads --duration',
      /is a fork of wrk2, or too old: it has no --rate, /,
    ],
    ['wrk2', 'wrk2', 'wrk2, a tool for tracks', /it has no --rate, /],
    ['wrk', 'wrk', wrk2Text([...WRK2_OPTIONS, '--script']), /The program wrk on client is not wrk\./],
    [
      'tcpkali',
      'tcpkali',
      'tcpkali version 0.9 --message-rate --latency-percentile',
      /--latency-percentiles/,
    ],
    ['h2load', 'h2load', 'h2load nghttp2/1.30.0 --h1 --rps --duration', /--log-file, --warm-up-time\./],
  ])('refuses a %s whose program %s lacks what a load needs', async (name, program, text, said) => {
    install(program, text);
    await expect(describeExternal(host.machine(), name)).rejects.toMatchObject({
      code: 'missing-tool',
      fault: 'machine',
      message: expect.stringMatching(said) as string,
    });
  });

  test.each([
    ['kill -SEGV $$', /^wrk2 crashed \(SIGSEGV\), and printed no error$/],
    ['echo oops >&2; exit 3', /^wrk2 exited with status 3: oops$/],
    ['echo nothing useful', /^Unknown output of wrk2: 0 of 1 threads finished their calibration/],
  ])('reports a program that does not work: %s', async (does, said) => {
    const body = `case "$*" in -v) echo '${wrk2Text(WRK2_OPTIONS)}';; *) ${does};; esac`;
    writeFileSync(join(folder, 'wrk2'), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
    vi.stubEnv('PATH', `${folder}:${PATH}`);
    await using generator = await host.open('wrk2');
    const plan = planFor(host.nginx().port, open(100));
    await generator.check(plan.target, plan.expect);
    await expect(generator.run(plan)).rejects.toMatchObject({
      code: 'process-failed',
      fault: 'machine',
      message: expect.stringMatching(said) as string,
    });
  });

  test('reports its version and limits', async () => {
    install('h2load', `h2load nghttp2/1.52.0 ${EXTERNAL_GENERATORS.h2load.options.join(' ')}`);
    const facts = await describeExternal(host.machine(), 'h2load');
    expect(facts).toMatchObject({ version: '1.52.0', loop: 'open', timedFrom: 'send' });
    expect(facts.limits).toContainEqual({
      code: 'external-limit',
      generator: 'h2load',
      limit: 'times-from-send',
    });
  });
});
