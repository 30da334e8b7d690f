import { expect, test } from 'vitest';
import { betaQuantile, tQuantile, twoSidedP } from '../../src/stats/distributions.js';

// NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2: critical values of Student's t.
test.each([
  [1, 12.706, 63.657],
  [2, 4.303, 9.925],
  [4, 2.776, 4.604],
  [9, 2.262, 3.25],
  [30, 2.042, 2.75],
  [100, 1.984, 2.626],
])('the critical values for %i degrees of freedom are those of the published table', (df, at975, at995) => {
  expect(tQuantile(0.025, df)).toBeCloseTo(at975, 3);
  expect(tQuantile(0.005, df)).toBeCloseTo(at995, 3);
  expect(twoSidedP(tQuantile(0.025, df), df)).toBeCloseTo(0.05, 10);
});

test('with one degree of freedom the p-value is the closed form of Cauchy', () => {
  for (const t of [0.1, 1, 5, 40, 1000])
    expect(twoSidedP(t, 1)).toBeCloseTo(1 - (2 / Math.PI) * Math.atan(t), 12);
});

test('with two degrees of freedom the p-value is its closed form, far into the tail too', () => {
  for (const t of [0.1, 1, 5, 40]) expect(twoSidedP(t, 2)).toBeCloseTo(1 - t / Math.sqrt(2 + t * t), 12);
});

test('the p-value falls from 1 at no difference and ignores the sign', () => {
  expect(twoSidedP(0, 7)).toBe(1);
  expect(twoSidedP(-2, 7)).toBe(twoSidedP(2, 7));
  expect(twoSidedP(3, 7)).toBeLessThan(twoSidedP(2, 7));
});

// Clopper and Pearson's 95 % interval for 10 of 100: 0.0490 to 0.1762 (R: binom.test(10, 100)).
test('the beta quantile gives the exact interval of a share', () => {
  expect(betaQuantile(0.025, 10, 91)).toBeCloseTo(0.0490047, 6);
  expect(betaQuantile(0.975, 11, 90)).toBeCloseTo(0.1762226, 6);
});
