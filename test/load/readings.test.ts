import { afterAll, beforeAll, expect, test } from 'vitest';
import { runStandalone } from '../../src/load/index.js';
import type { LoadReading } from '../../src/schema/index.js';
import { Histogram } from '../../src/stats/index.js';
import { barewire } from '../cli/barewire.js';
import { planFor, startNginx, type Nginx } from './servers.js';

let nginx: Nginx;
beforeAll(async () => {
  nginx = await startNginx();
});
afterAll(() => nginx[Symbol.asyncDispose]());

test('interim reports are consecutive and add up to the result', async () => {
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

test('a run without an interval sends no interim report', async () => {
  let told = 0;
  await runStandalone(planFor(nginx.port, { durationMs: 200 }), { onReading: () => told++ });
  expect(told).toBe(0);
});

test('--report-every prints one line for each interval, and --source sets where connections come from', async () => {
  const url = `http://127.0.0.1:${nginx.port}/f`;
  const load = ['load', url, '--rate', '1k', '--duration', '1s', '--source', '127.0.0.4,127.0.0.5'];
  const text = await barewire([...load, '--report-every', '500ms']);
  expect(text.stdout.match(/^ +[\d.]+ s +\d+ requests\/s +p50 /gm)).toHaveLength(2);
  const { stdout } = await barewire([...load, '--report-every', '500ms', '--json']);
  const [first, second, result] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { requests: number; fromMs: number; untilMs: number });
  expect([first?.fromMs, first?.untilMs === second?.fromMs, second?.untilMs]).toEqual([0, true, 1000]);
  expect((first?.requests ?? 0) + (second?.requests ?? 0)).toBe(result?.requests);
});

test('--source refuses what is not an address', async () => {
  const { status, stderr } = await barewire(['load', 'http://127.0.0.1/', '--rate', '1', '--source', 'here']);
  expect(status).toBe(2);
  expect(stderr).toContain('--source must be IP addresses of this host, got "here"');
});
