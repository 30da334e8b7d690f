import fc from 'fast-check';
import { expect, test } from 'vitest';
import { orderRanks, quantileRank, samplesNeeded } from '../../src/stats/order-ranks.js';
import { seeded } from './synthetic.js';

test.each([
  [0.95, 72],
  [0.99, 368],
  [0.995, 736],
  [0.9999, 36_887],
  [0.99999, 368_887],
])('quantile %f needs %i samples, and not one fewer, for a finite upper end', (p, needed) => {
  expect(samplesNeeded(p)).toBe(needed);
  expect(orderRanks(needed, p).high).toBe(needed);
  expect(orderRanks(needed - 1, p).high).toBeNull();
});

// The published tables of the exact interval of a median.
test.each([
  [10, 0.5, 2, 9],
  [20, 0.5, 6, 15],
  [25, 0.5, 8, 18],
  [50, 0.5, 18, 33],
  [100, 0.5, 40, 61],
])('of %i samples the quantile %f lies between the ranks that tables give', (n, p, low, high) => {
  expect(orderRanks(n, p)).toEqual({ low, value: Math.ceil(n / 2), high });
});

test('the ranks of millions of samples agree with the normal approximation', () => {
  const [n, p] = [10_000_000, 0.99];
  const half = 1.959964 * Math.sqrt(n * p * (1 - p));
  const { low, value, high } = orderRanks(n, p);
  expect(value).toBe(n * p);
  expect(Math.abs(value - low! - half)).toBeLessThan(3);
  expect(Math.abs(high! - value - half)).toBeLessThan(3);
});

test('a whole n·p is its own rank, whatever the rounding of floating point', () => {
  for (const p of [0.5, 0.9, 0.95, 0.99, 0.995, 0.999])
    expect(quantileRank(200_000, p)).toBe(Math.round(200_000 * p));
});

test('ranks are ordered, in range, and do not fall as the quantile rises', () => {
  const share = fc.double({ min: 0.001, max: 0.99999, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50_000 }), share, share, (n, p, q) => {
      const [below, above] = [orderRanks(n, Math.min(p, q)), orderRanks(n, Math.max(p, q))];
      for (const { low, value, high } of [below, above])
        expect(1 <= (low ?? 1) && (low ?? 1) <= value && value <= (high ?? n) && (high ?? n) <= n).toBe(true);
      expect(below.low ?? 0).toBeLessThanOrEqual(above.low ?? 0);
      expect(below.high ?? n + 1).toBeLessThanOrEqual(above.high ?? n + 1);
    }),
  );
});

test.each([
  [0.5, 200],
  [0.99, 2000],
  [0.9999, 80_000],
])('at quantile %f of %i samples the interval covers the truth in 93 to 97.5 of 100', (p, n) => {
  const { low, high } = orderRanks(n, p);
  const random = seeded(n);
  const repeats = 4000;
  let covered = 0;
  for (let repeat = 0; repeat < repeats; repeat++) {
    const below = binomialDraw(random, n, p);
    if (low! <= below && below < high!) covered++;
  }
  expect(covered / repeats).toBeGreaterThan(0.93);
  expect(covered / repeats).toBeLessThan(0.975);
});

/** How many of n samples lie below the true quantile p: by the gaps between those that do not. */
function binomialDraw(random: () => number, n: number, p: number): number {
  const beyond = Math.min(p, 1 - p);
  let [count, at] = [0, 0];
  for (;;) {
    at += Math.ceil(Math.log(random()) / Math.log1p(-beyond));
    if (at > n) return p > 0.5 ? n - count : count;
    count++;
  }
}
