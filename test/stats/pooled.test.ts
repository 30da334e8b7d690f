import { describe, expect, test } from 'vitest';
import type { Series } from '../../src/stats/log-estimate.js';
import { estimatePooled } from '../../src/stats/pooled.js';
import { Samples } from '../../src/stats/samples.js';
import { histogramOf, logNormal } from './synthetic.js';

const N = 2000;
const series = (restarts: number, restart: (at: number) => Samples): Series =>
  Array.from({ length: restarts }, (_, at) => ({ restart: at, round: 1, parts: [restart(at)] }));
const alike = (at: number) => Samples.from(logNormal(at, N, 1e5), N);
/** `late` requests of 50 ms in one restart. */
const withOneRough = (late: number) => (at: number) => {
  if (at > 0) return alike(at);
  const histogram = logNormal(at, N - late, 1e5);
  histogram.merge(histogramOf(Array.from({ length: late }, () => 5e7)));
  return Samples.from(histogram, N);
};

describe('a quantile that only all restarts together support', () => {
  test('is that of all samples', () => {
    const pool = Samples.pool(series(10, alike).flatMap(({ parts }) => parts));
    expect(estimatePooled(series(10, alike), 'p99.9').value).toBe(pool.atRank(19_980)!.highNs * 1e-6);
  });

  test('has both bounds where ten restarts agree', () => {
    const { value, low, high } = estimatePooled(series(10, alike), 'p99.9') as Record<string, number>;
    expect(low).toBeLessThan(value!);
    expect(high).toBeGreaterThan(value!);
  });

  test('has no upper bound where three restarts have six samples beyond it', () => {
    expect(estimatePooled(series(3, alike), 'p99.9')).toMatchObject({
      low: expect.any(Number) as number,
      high: null,
    });
  });

  test('has no upper bound where a single restart has the tail', () => {
    expect(estimatePooled(series(10, withOneRough(30)), 'p99.9')).toMatchObject({ high: null });
  });

  test('has a lower bound below the tail of a single restart', () => {
    const { value, low } = estimatePooled(series(10, withOneRough(30)), 'p99.9') as Record<string, number>;
    expect(value).toBeGreaterThan(49);
    expect(low).toBeLessThan(1);
  });

  test('has no interval from one restart', () => {
    expect(estimatePooled(series(1, alike), 'p99.5')).toMatchObject({ low: null, high: null });
  });
});
