import { afterAll, beforeAll, expect, test } from 'vitest';
import { LoadLoop } from '../../src/load/engine/loop.js';
import { MonotonicClock, monotonicEpochS } from '../../src/linux/index.js';
import type { LoadPlan } from '../../src/schema/index.js';
import { planFor, startNginx, type Nginx } from './servers.js';

let nginx: Nginx;
beforeAll(async () => {
  nginx = await startNginx();
});
afterAll(() => nginx[Symbol.asyncDispose]());

/** The heap's growth, in bytes, in each quarter second of a run on this thread. */
function growths(changes: Partial<LoadPlan>, path: string): { growth: number[]; requests: number } {
  const epochS = monotonicEpochS();
  const heap: number[] = [];
  let nextMs = 0;
  const inspect = (): boolean => {
    const now = performance.now();
    if (now >= nextMs) heap.push(process.memoryUsage().heapUsed);
    if (now >= nextMs) nextMs = now + 250;
    return false;
  };
  const planned = planFor(nginx.port, { ...changes, warmupMs: 0, durationMs: 4000, connections: 64 });
  const plan = { ...planned, target: { ...planned.target, path } };
  using loop = new LoadLoop({ plan, share: { first: 0, connections: 64 }, epochS, busyPolls: true }, inspect);
  using clock = new MonotonicClock(epochS);
  loop.open();
  clock.read();
  const { requests } = loop.run(clock.ns);
  return { growth: heap.slice(1).map((bytes, i) => bytes - heap[i]!), requests };
}

const CONSTANT: LoadPlan['mode'] = { kind: 'open', rateRps: 8000, arrival: 'constant' };

test.each<[string, Partial<LoadPlan>]>([
  ['in a closed loop', { mode: { kind: 'closed' } }],
  ['at a constant rate', { mode: CONSTANT }],
  ['with Poisson arrivals', { mode: { ...CONSTANT, arrival: 'poisson' } }],
  ['where it can be read in mid-run', { mode: CONSTANT, readingMs: 500 }],
  ['with responses that differ, of any length', { mode: CONSTANT, expect: { status: 200, bodyBytes: null } }],
])('nothing is allocated for a request %s', { retry: 2 }, (name, changes) => {
  const { growth, requests } = growths(changes, name.includes('differ') ? '/differing' : '/f');
  expect(requests).toBeGreaterThan(4000);
  // V8 compiles in the first part of a run. After that the looking itself takes some kilobytes each time, and one small
  // object a request would take 16 bytes × 2,000 requests: the typical quarter second has no room for it.
  const settled = growth.slice(6).sort((a, b) => a - b);
  expect(settled.length).toBeGreaterThan(4);
  expect(settled[settled.length >> 1]!).toBeLessThan((16 * requests) / 16);
});
