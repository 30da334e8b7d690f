import type { Verdict } from '../schema/index.js';
import { halfWidth, type LogEstimate } from './estimate.js';
import { TAIL_SHARE } from './order-ranks.js';
import { studentQuantile, twoSidedP } from './student.js';

/** Of the differences that a study names, at most this share are false; if nothing differs, the chance of naming any. */
const FALSE_SHARE = 0.05;
/** The chance to find a difference of the size that it looks to have, in the restarts that `restartsNeeded` asks for. */
const MISS_SHARE = 0.1;

/**
 * The verdicts of one family of comparisons, all made from one study.
 *
 * `equivalent`: the 95 % interval lies inside ±margin, whether or not it holds 1. `better`, `worse`: the ratio differs
 * from 1 after the correction of Benjamini and Hochberg for how many comparisons there are; so an interval that only
 * just excludes 1 can still be `undecided`.
 */
export function verdicts(estimates: readonly LogEstimate[], margin: number): Verdict[] {
  const differs = differing(estimates.map(pValue));
  const found = differs.filter(Boolean).length;
  const level = (FALSE_SHARE * Math.min(found + 1, estimates.length)) / Math.max(estimates.length, 1);
  return estimates.map((estimate, index) => {
    const half = halfWidth(estimate);
    if (half === null) return { verdict: 'undecided', restartsNeeded: null };
    if (Math.abs(estimate.log) + half <= Math.log1p(margin)) return decided('equivalent');
    if (differs[index] === true) return decided(estimate.log > 0 ? 'worse' : 'better');
    return { verdict: 'undecided', restartsNeeded: restartsNeeded(estimate, margin, level) };
  });
}

const decided = (verdict: Verdict['verdict']): Verdict => ({ verdict, restartsNeeded: null });

/** Two-sided, for a ratio of 1; 1 where a single restart cannot tell. */
export const pValue = ({ log, error, df }: LogEstimate): number =>
  error === null ? 1 : twoSidedP(log / error, df);

/**
 * Which of a family are greater than the margin beyond chance: the 95 % interval lies above 1 + margin, and still does with
 * the correction of Benjamini and Hochberg for how many there are. If none is greater, the chance of naming any is 2.5 %.
 */
export function beyond(estimates: readonly (LogEstimate | null)[], margin: number): boolean[] {
  const known = estimates.filter((estimate) => estimate !== null);
  const limit = Math.log1p(margin);
  const far = differing(
    known.map((estimate) => pValue({ ...estimate, log: Math.max(0, estimate.log - limit) })),
  );
  let next = 0;
  return estimates.map((estimate) => estimate !== null && far[next++]!);
}

/** Benjamini and Hochberg: all comparisons up to the last whose p-value keeps to its share of the level. */
function differing(pValues: readonly number[]): boolean[] {
  const ordered = pValues.toSorted((a, b) => a - b);
  const last = ordered.findLastIndex((p, index) => p <= (FALSE_SHARE * (index + 1)) / ordered.length);
  const limit = ordered[last] ?? -1;
  return pValues.map((p) => p <= limit);
}

/**
 * How many restarts in all would decide it. With an interval no wider than the margin on both sides together, a ratio is
 * either outside 1 or inside the margin, whatever it is; a difference that looks greater than the margin takes fewer.
 */
function restartsNeeded({ log, error, df, restarts }: LogEstimate, margin: number, level: number): number {
  const limit = Math.log1p(margin);
  const likelyError = error! / medianSpread(df);
  const likely = Math.max(limit, Math.abs(log) - likelyError);
  const enough = (n: number): boolean => {
    const [errorThen, dfThen] = [likelyError * Math.sqrt(restarts / n), ((df + 1) * n) / restarts - 1];
    const t = studentQuantile(level / 2, dfThen);
    const splits = (t + studentQuantile(TAIL_SHARE, dfThen)) * errorThen <= limit;
    return splits || (t + studentQuantile(MISS_SHARE, dfThen)) * errorThen <= likely;
  };
  return firstFrom(restarts + 1, enough);
}

/**
 * The median of a standard deviation from few values, as a share of the true one (Wilson and Hilferty): of two restarts
 * most look closer together than they are, and would ask for too few.
 */
const medianSpread = (df: number): number => (1 - 2 / (9 * df)) ** 1.5;

/** The least n from `from` on for which it holds, given that it holds for all greater ones. */
function firstFrom(from: number, holds: (n: number) => boolean): number {
  let step = 1;
  while (!holds(from + step - 1) && step < 1e6) step *= 2;
  let [low, high] = [from + Math.floor(step / 2), from + step - 1];
  if (step === 1) return from;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return high;
}
