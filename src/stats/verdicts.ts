import type { Verdict } from '../schema/index.js';
import { halfWidth, type LogEstimate } from './clustered.js';
import { TAIL_SHARE } from './order-ranks.js';
import { tQuantile, twoSidedP } from './distributions.js';

/** The false discovery rate: the expected share of false differences, and the probability of any if none is true. */
const FALSE_DISCOVERY_RATE = 0.05;
/** The probability that `restartsNeeded` restarts do not show a difference of the estimated size. */
const MISS_PROBABILITY = 0.1;

/**
 * The verdicts of one family of comparisons from one study.
 *
 * `equivalent`: the 95 % interval lies within ±margin, whether or not it contains 1. `better`, `worse`: the ratio differs from 1
 * after Benjamini and Hochberg's correction for the number of comparisons, so an interval that barely excludes 1 can still be
 * `undecided`.
 */
export function decideVerdicts(
  estimates: readonly LogEstimate[],
  margins: number | readonly number[],
): Verdict[] {
  const differs = findDiffering(estimates.map(pValue));
  const found = differs.filter(Boolean).length;
  const level =
    (FALSE_DISCOVERY_RATE * Math.min(found + 1, estimates.length)) / Math.max(estimates.length, 1);
  return estimates.map((estimate, index) => {
    const half = halfWidth(estimate);
    const margin = typeof margins === 'number' ? margins : margins[index]!;
    if (half === null) return { verdict: 'undecided', restartsNeeded: null };
    if (Math.abs(estimate.log) + half <= Math.log1p(margin)) return decided('equivalent');
    if (differs[index] === true) return decided(estimate.log > 0 ? 'worse' : 'better');
    return { verdict: 'undecided', restartsNeeded: restartsNeeded(estimate, margin, level) };
  });
}

const decided = (verdict: Verdict['verdict']): Verdict => ({ verdict, restartsNeeded: null });

/** Two-sided, for a ratio of 1; 1 for a single restart. */
export const pValue = ({ log, error, df }: LogEstimate): number =>
  error === null ? 1 : twoSidedP(log / error, df);

/**
 * Which of a family exceed the margin significantly: the 95 % interval lies above 1 + margin after Benjamini and Hochberg's
 * correction. If none does, the probability of naming any is 2.5 %.
 */
export function findBeyondMargin(estimates: readonly (LogEstimate | null)[], margin: number): boolean[] {
  const known = estimates.filter((estimate) => estimate !== null);
  const limit = Math.log1p(margin);
  const far = findDiffering(
    known.map((estimate) => pValue({ ...estimate, log: Math.max(0, estimate.log - limit) })),
  );
  let next = 0;
  return estimates.map((estimate) => estimate !== null && far[next++]!);
}

/** Benjamini and Hochberg: all comparisons up to the last whose p-value is within its share of the level. */
function findDiffering(pValues: readonly number[]): boolean[] {
  const ordered = pValues.toSorted((a, b) => a - b);
  const last = ordered.findLastIndex(
    (p, index) => p <= (FALSE_DISCOVERY_RATE * (index + 1)) / ordered.length,
  );
  const limit = ordered[last] ?? -1;
  return pValues.map((p) => p <= limit);
}

/**
 * The total number of restarts that would decide the comparison. Once the interval is no wider than the margin in total, the
 * ratio is either different from 1 or within the margin; an estimated difference greater than the margin takes fewer.
 */
function restartsNeeded({ log, error, df, restarts }: LogEstimate, margin: number, level: number): number {
  const limit = Math.log1p(margin);
  // The median of a standard deviation from few values, as a share of the true one (Wilson and Hilferty): most pairs of
  // restarts are closer together than the true spread, and would give too few restarts.
  const likelyError = error! / (1 - 2 / (9 * df)) ** 1.5;
  const likely = Math.max(limit, Math.abs(log) - likelyError);
  const enough = (n: number): boolean => {
    const [errorThen, dfThen] = [likelyError * Math.sqrt(restarts / n), ((df + 1) * n) / restarts - 1];
    const t = tQuantile(level / 2, dfThen);
    const splits = (t + tQuantile(TAIL_SHARE, dfThen)) * errorThen <= limit;
    return splits || (t + tQuantile(MISS_PROBABILITY, dfThen)) * errorThen <= likely;
  };
  const from = restarts + 1;
  let step = 1;
  while (!enough(from + step - 1) && step < 1e6) step *= 2;
  let [low, high] = [from + Math.floor(step / 2), from + step - 1];
  if (step === 1) return from;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (enough(middle)) high = middle;
    else low = middle + 1;
  }
  return high;
}
