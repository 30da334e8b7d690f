import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { runStandalone } from '../../src/load/index.js';
import { Histogram } from '../../src/stats/index.js';
import { planFor, startNginx, type Nginx } from './servers.js';

const WINDOW_MS = 4000;
const STALL_MS = 200;

let nginx: Nginx;
beforeAll(async () => {
  nginx = await startNginx();
});
afterAll(() => nginx[Symbol.asyncDispose]());

/** Stops the server for 200 ms each second, and returns the milliseconds of each stall. */
async function stall(count: number): Promise<[number, number][]> {
  const stalls: [number, number][] = [];
  for (let second = 0; second < count; second++) {
    await sleep(400);
    nginx.process.kill('SIGSTOP');
    const from = performance.now();
    await sleep(STALL_MS);
    nginx.process.kill('SIGCONT');
    stalls.push([from, performance.now()]);
    await sleep(1000 - STALL_MS - 400);
  }
  return stalls;
}

/**
 * By hand: a request intended during a stall waits until its end, the others do not wait. Of requests spread evenly over
 * the window, the share that waits longer than t is the sum of (length - t) over the stalls, by the window's length.
 */
function waitMs(stalls: readonly [number, number][], quantile: number): number {
  const lengths = stalls.map(([from, to]) => to - from);
  const shareBeyond = (ms: number): number =>
    lengths.reduce((sum, length) => sum + Math.max(length - ms, 0), 0) / WINDOW_MS;
  let ms = 0;
  while (shareBeyond(ms) > 1 - quantile) ms += 0.1;
  return ms;
}

describe.each(['constant', 'poisson'] as const)('a stalled server, %s arrival', (arrival) => {
  test(
    'shows in response times as worked out by hand, and hides in service times',
    { retry: 3 },
    async () => {
      const plan = planFor(nginx.port, {
        mode: { kind: 'open', rateRps: 500, arrival },
        connections: 4,
        warmupMs: 0,
        durationMs: WINDOW_MS,
        timeoutMs: 2000,
      });
      const [result, stalls] = await Promise.all([
        runStandalone(plan),
        sleep(300).then(() => stall(WINDOW_MS / 1000 - 1)),
      ]);
      expect(result.requests).toBe(result.intended);
      const response = Histogram.decode(result.response);
      for (const q of [0.9, 0.95, 0.98])
        expect(Math.abs(response.quantile(q) / 1e6 - waitMs(stalls, q))).toBeLessThan(20);
      expect(response.max / 1e6).toBeGreaterThan(STALL_MS - 10);
      // Four connections can have four requests on their way: the others wait unsent, and only the response time knows.
      expect(Histogram.decode(result.service).quantile(0.95) / 1e6).toBeLessThan(20);
      expect(result.selfCheck.lateSends).toBeGreaterThan(100);
    },
  );
});
