import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runStandalone } from '../../src/load/index.js';
import { ERROR_KINDS, loadResultSchema, type LoadPlan, type LoadResult } from '../../src/schema/index.js';
import { Histogram } from '../../src/stats/index.js';
import { planFor, startNginx, type Nginx } from './servers.js';

let nginx: Nginx;
beforeAll(async () => {
  nginx = await startNginx();
});
afterAll(() => nginx[Symbol.asyncDispose]());

const load = (changes: Partial<LoadPlan> = {}): Promise<LoadResult> =>
  runStandalone(planFor(nginx.port, changes));
const open = (rateRps: number, arrival: 'constant' | 'poisson' = 'constant'): LoadPlan['mode'] => ({
  kind: 'open',
  rateRps,
  arrival,
});
const failed = (result: LoadResult): number =>
  ERROR_KINDS.reduce((sum, kind) => sum + result.errors[kind], 0);

describe('runLoad against nginx', () => {
  // Repeated: on a busy machine the answers at the edges of the window may come in another one.
  test('sends at the rate within 1 %, and each request gets a response', { retry: 5 }, async () => {
    const result = await load({ mode: open(1000), durationMs: 1000 });
    expect(Math.abs(result.intended - 1000)).toBeLessThanOrEqual(10);
    expect(result.requests).toBe(result.intended);
    expect(Math.abs(result.achievedRps - 1000)).toBeLessThanOrEqual(10);
    expect(failed(result)).toBe(0);
  });

  test('gives a result that satisfies its schema', async () => {
    const result = await load();
    expect(loadResultSchema.parse(JSON.parse(JSON.stringify(result)))).toEqual(result);
  });

  test('records response and service time of every request', async () => {
    const result = await load();
    const response = Histogram.decode(result.response);
    const service = Histogram.decode(result.service);
    expect(response.count).toBe(result.requests);
    expect(service.count).toBe(result.requests);
    for (const q of [0.1, 0.5, 0.9, 1])
      expect(response.quantile(q)).toBeGreaterThanOrEqual(service.quantile(q));
  });

  test('counts only requests intended within the window, not the warm-up', async () => {
    const result = await load({ mode: open(2000), warmupMs: 500, durationMs: 250 });
    expect(Math.abs(result.intended - 500)).toBeLessThanOrEqual(8);
    expect(result.durationS).toBe(0.25);
  });

  test('splits connections and rate over threads without remainder', async () => {
    const split = { mode: open(1500), connections: 7, durationMs: 1000 };
    const one = await load({ ...split, threads: 1 });
    const three = await load({ ...split, threads: 3 });
    expect(three.intended).toBe(one.intended);
    expect(three.requests).toBe(three.intended);
  });

  test('uses no more threads than connections', async () => {
    const result = await load({ connections: 2, threads: 5 });
    expect(result.requests).toBe(result.intended);
  });

  test('keeps the rate with Poisson arrivals', async () => {
    const result = await load({ mode: open(4000, 'poisson'), durationMs: 1000, connections: 32 });
    expect(Math.abs(result.intended - 4000)).toBeLessThan(4 * Math.sqrt(4000));
    expect(result.requests).toBe(result.intended);
  });

  test('sends again on each response in a closed loop', async () => {
    const result = await load({ mode: { kind: 'closed' }, connections: 4 });
    expect(result.achievedRps).toBeGreaterThan(2000);
    expect(result.requests).toBe(result.intended);
    expect(result.selfCheck.offeredRps).toBeNull();
  });

  test.each([
    ['/4k', 4096],
    ['/big', 300_000],
  ])('takes the whole of %s', async (path, bodyBytes) => {
    const plan = planFor(nginx.port, { mode: open(200), expect: { status: 200, bodyBytes } });
    const result = await runStandalone({ ...plan, target: { ...plan.target, path } });
    expect(result.requests).toBe(result.intended);
    expect(failed(result)).toBe(0);
  });

  test('counts unexpected responses by kind and continues', async () => {
    const status = await load({ expect: { status: 404, bodyBytes: null } });
    expect(status.errors.status).toBe(status.intended);
    const length = await load({ expect: { status: 200, bodyBytes: 99 } });
    expect(length.errors.length).toBe(length.intended);
    expect(length.selfCheck.connectionsLost).toBe(0);
  });

  test('reopens a connection that the server closes after a response, without losing a request', async () => {
    const plan = planFor(nginx.port, { mode: open(400), durationMs: 500 });
    const result = await runStandalone({ ...plan, target: { ...plan.target, path: '/once' } });
    expect(result.requests).toBe(result.intended);
    expect(result.selfCheck.connectionsLost).toBe(0);
  });

  test('opens hundreds of connections without one failure', async () => {
    const result = await load({ connections: 1000, mode: open(2000), timeoutMs: 2000 });
    expect(result.requests).toBe(result.intended);
    expect(failed(result)).toBe(0);
  });

  test('reports when the load starts and when the window opens and closes', async () => {
    const edges: [string, number][] = [];
    const start = performance.now();
    await runStandalone(planFor(nginx.port, { warmupMs: 200, durationMs: 300 }), {
      onWindow: (edge) => edges.push([edge, performance.now() - start]),
    });
    expect(edges.map(([edge]) => edge)).toEqual(['start', 'open', 'close']);
    expect(edges[1]![1] - edges[0]![1]).toBeGreaterThan(100);
    expect(edges[2]![1] - edges[1]![1]).toBeGreaterThan(150);
  });

  test('reports its CPU time, never more than its CPUs have', async () => {
    const { cpuSeconds, busyPolledSeconds, selfCheck } = await load({ mode: { kind: 'closed' } });
    const usedS = cpuSeconds.user + cpuSeconds.system;
    expect(usedS).toBeGreaterThan(0.01);
    expect(busyPolledSeconds!.user).toBeGreaterThanOrEqual(0);
    expect(busyPolledSeconds!.system).toBeGreaterThanOrEqual(0);
    expect(busyPolledSeconds!.user + busyPolledSeconds!.system).toBeLessThan(usedS);
    expect(selfCheck.cpuShare).toBeLessThanOrEqual(1.05);
  });
});

describe('a run that is stopped', () => {
  test('ends promptly as interrupted', async () => {
    const stop = new AbortController();
    const start = performance.now();
    setTimeout(() => stop.abort(), 300);
    const run = runStandalone(planFor(nginx.port, { durationMs: 30_000 }), { signal: stop.signal });
    await expect(run).rejects.toMatchObject({ code: 'interrupted' });
    expect(performance.now() - start).toBeLessThan(3000);
  });

  test('does not start when it was stopped before', async () => {
    const run = runStandalone(planFor(nginx.port), { signal: AbortSignal.abort() });
    await expect(run).rejects.toMatchObject({ code: 'interrupted' });
  });

  test('is refused for a CPU that does not exist', async () => {
    const run = load({ cpus: [4095] });
    await expect(run).rejects.toMatchObject({ code: 'bad-input', fault: 'user' });
    await expect(run).rejects.toThrow('CPU 4095');
  });
});
