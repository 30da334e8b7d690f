import { describe, expect, test } from 'vitest';
import { estimateClustered, halfWidth, splitVariance, type RoundLog } from '../../src/stats/clustered.js';
import { tQuantile } from '../../src/stats/distributions.js';
import { normal, seeded } from './synthetic.js';

const STUDIES = 1500;
/** Restarts of rounds: of a study with several workloads, and of the default study. */
const LAYOUTS = [
  [5, 4],
  [8, 7],
] as const;
type Layout = (typeof LAYOUTS)[number];

/** ln of the ratio of two slices' p99: clean or hit by a stall, as measured slices are. */
function twoModes(random: () => number): number {
  const slice = (): number => 0.1 * normal(random) + (random() < 0.3 ? 1 + 1.5 * random() : 0);
  return slice() - slice();
}
const SHAPES = [
  ['normal', normal, 1],
  ['two modes', twoModes, 1.193],
] as const;

const draw = (
  [restarts, rounds]: Layout,
  random: () => number,
  shape: (random: () => number) => number,
  spread: number,
): RoundLog[] =>
  Array.from({ length: restarts }, (_, restart) => {
    const level = spread * normal(random);
    return Array.from({ length: rounds }, (_, round) => ({ restart, round, log: level + shape(random) }));
  }).flat();

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;

const CASES = LAYOUTS.flatMap((layout) => SHAPES.map(([name, shape, sd]) => ({ layout, name, shape, sd })));
describe.each(CASES)('95 %% intervals of restarts of rounds $layout, $name', ({ layout, shape, sd }) => {
  test.each([0, 0.3, 1])(
    'cover the truth in at least 93 of 100 at %d times the spread between rounds',
    (times) => {
      const random = seeded(31 + times * 10);
      let covered = 0;
      for (let study = 0; study < STUDIES; study++) {
        const estimate = estimateClustered(draw(layout, random, shape, times * sd));
        if (Math.abs(estimate.log) <= (halfWidth(estimate) ?? 0)) covered++;
      }
      expect(covered / STUDIES).toBeGreaterThanOrEqual(0.93);
    },
  );

  test('are at most 1.3 times as wide as with restarts known to be alike', () => {
    const random = seeded(37);
    const widths = Array.from({ length: STUDIES }, () => {
      const values = draw(layout, random, shape, 0);
      const pooled = estimateClustered(values.map((value, restart) => ({ ...value, restart })));
      return {
        own: halfWidth(estimateClustered(values)) ?? 0,
        known: (pooled.error ?? 0) * tQuantile(0.025, layout[0] * layout[1] - 1),
      };
    });
    expect(median(widths.map(({ own }) => own)) / median(widths.map(({ known }) => known))).toBeLessThan(1.3);
  });
});

test('a fifth of the slices with a stall moves the estimate less than half as much as the mean', () => {
  const values = Array.from({ length: 20 }, (_, round) => ({
    restart: round % 4,
    round,
    log: (round % 5 === 0 ? 2 : 0) + 0.01 * ((round * 7) % 5),
  }));
  const mean = values.reduce((sum, { log }) => sum + log, 0) / values.length;
  expect(estimateClustered(values).log).toBeLessThan(mean / 2);
});

test('the spread is divided between restarts and rounds', () => {
  const random = seeded(41);
  const values = Array.from({ length: 40 }, (_, restart) => {
    const level = 0.5 * normal(random);
    return Array.from({ length: 10 }, (_, round) => ({ restart, round, log: level + 0.1 * normal(random) }));
  }).flat();
  const { betweenRestarts, betweenRounds } = splitVariance(values);
  expect(betweenRestarts).toBeGreaterThan(0.35);
  expect(betweenRestarts).toBeLessThan(0.65);
  expect(betweenRounds).toBeGreaterThan(0.08);
  expect(betweenRounds).toBeLessThan(0.12);
});

test('one round has no interval, and rounds without restarts have one', () => {
  expect(halfWidth(estimateClustered([{ restart: 1, round: 1, log: 0 }]))).toBeNull();
  const one = [0, 0.1, -0.1].map((log, round) => ({ restart: 1, round, log }));
  expect(halfWidth(estimateClustered(one))).toBeGreaterThan(0);
});
