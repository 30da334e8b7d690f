import betaQuantileOf from '@stdlib/stats-base-dists-beta-quantile';
import tCdf from '@stdlib/stats-base-dists-t-cdf';
import tQuantileOf from '@stdlib/stats-base-dists-t-quantile';

/** The two-sided p-value of Student's t: the probability of a t at least this far from 0. `df` may be fractional. */
export const twoSidedP = (t: number, df: number): number => 2 * tCdf(-Math.abs(t), df);

/** The t that Student's distribution exceeds with probability `tail`, 0 < tail < 0.5. */
export const tQuantile = (tail: number, df: number): number => -tQuantileOf(tail, df);

/** The quantile of the beta distribution at `share`. */
export const betaQuantile = (share: number, a: number, b: number): number => betaQuantileOf(share, a, b);
