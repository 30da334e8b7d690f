import { afterAll, beforeAll, expect, test } from 'vitest';
import { runStandalone } from '../../src/load/index.js';
import type { LoadReading } from '../../src/schema/index.js';
import { Histogram } from '../../src/stats/index.js';
import { planFor, startNginx, type Nginx } from './servers.js';

let nginx: Nginx;
beforeAll(async () => {
  nginx = await startNginx();
});
afterAll(() => nginx[Symbol.asyncDispose]());

test('a run can be read as it goes: its parts follow each other and add up to it', async () => {
  const readings: LoadReading[] = [];
  const plan = planFor(nginx.port, { threads: 2, durationMs: 1000, readingMs: 300 });
  const result = await runStandalone(plan, { onReading: (reading) => readings.push(reading) });
  expect(readings).toHaveLength(4);
  expect(readings.map(({ fromMs }) => fromMs)).toEqual([
    0,
    ...readings.slice(0, -1).map(({ untilMs }) => untilMs),
  ]);
  expect(readings.at(-1)?.untilMs).toBe(1000);
  const whole = new Histogram();
  for (const { requests, response } of readings) {
    const part = Histogram.decode(response);
    expect(part.count).toBe(requests);
    whole.merge(part);
  }
  expect(whole.counts).toEqual(Histogram.decode(result.response).counts);
  expect(whole.count).toBe(result.requests);
  for (const { fromMs, untilMs, requests } of readings.slice(0, -1))
    expect(Math.abs(requests - (untilMs - fromMs))).toBeLessThan(150);
});

test('a run that nobody asked to read tells nothing before its end', async () => {
  let told = 0;
  await runStandalone(planFor(nginx.port, { durationMs: 200 }), { onReading: () => told++ });
  expect(told).toBe(0);
});
