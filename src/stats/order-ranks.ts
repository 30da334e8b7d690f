/** The share of intervals that may miss on each side: 95 % intervals. */
export const TAIL_SHARE = 0.025;

/** Ranks from 1 to n; null where the samples end before the interval. */
export interface OrderRanks {
  readonly low: number | null;
  readonly value: number;
  readonly high: number | null;
}

/** How many independent samples the quantile `p` needs before its 95 % interval has both ends. */
export const samplesNeeded = (p: number): number =>
  Math.ceil(Math.log(TAIL_SHARE) / Math.log(Math.max(p, 1 - p)));

/** The rank of the quantile itself, ⌈p·n⌉, where p·n may come out one unit in the last place too high. */
export const quantileRank = (n: number, p: number): number =>
  Math.max(1, Math.ceil(n * p * (1 - Number.EPSILON)));

/**
 * The order statistics between which the true quantile `p` of `n` independent samples lies in 95 of 100 cases, by the
 * binomial distribution itself: how many of n samples lie below it is Bin(n, p) whatever the latencies look like.
 */
export function orderRanks(n: number, p: number): OrderRanks {
  const { first, weights } = binomialWeights(n, p);
  const limit = TAIL_SHARE * weights.reduce((sum, weight) => sum + weight, 0);
  const low = first + lightest(weights, limit);
  const high = first + weights.length - lightest(weights.reverse(), limit);
  return { low: low < 1 ? null : low, value: quantileRank(n, p), high: high > n ? null : high };
}

/** How many leading weights together stay within the limit. */
function lightest(weights: readonly number[], limit: number): number {
  let sum = 0;
  return weights.findIndex((weight) => (sum += weight) > limit);
}

// Relative to the mode, which needs no factorial; omitted weights are below 1e-18 of the mode's.
function binomialWeights(n: number, p: number): { first: number; weights: number[] } {
  const mode = Math.min(n, Math.floor((n + 1) * p));
  const odds = p / (1 - p);
  const up = [1];
  for (let k = mode, weight = 1; k < n && weight > 1e-18; k++) {
    weight *= ((n - k) / (k + 1)) * odds;
    up.push(weight);
  }
  const down: number[] = [];
  for (let k = mode, weight = 1; k > 0 && weight > 1e-18; k--) {
    weight *= k / ((n - k + 1) * odds);
    down.push(weight);
  }
  return { first: mode - down.length, weights: [...down.reverse(), ...up] };
}
