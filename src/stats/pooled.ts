import { QUANTILES, type Estimate, type QuantileName } from '../schema/index.js';
import type { HistogramCell } from './histogram.js';
import { quantileRank, TAIL_SHARE } from './order-ranks.js';
import { Samples } from './samples.js';
import { betaQuantile, tQuantile } from './distributions.js';
import { listSamples, type Series } from './log-estimate.js';
import { MS_PER_NS } from './quantile-estimates.js';

/** The normal quantile at TAIL_SHARE. */
const NORMAL = 1.959964;

/**
 * A quantile that no slice supports by itself, from all samples together. The interval is Woodruff's: the spread between
 * restarts of the share of requests up to the quantile gives the effective number of independent samples (Korn and
 * Graubard), which bounds the share exactly. An end that no sample reaches is null.
 */
export function estimatePooled(series: Series, key: QuantileName): Estimate {
  const pool = Samples.pool(listSamples(series));
  const cell = pool.atRank(quantileRank(pool.intended, QUANTILES[key]))!;
  const value = cell.highNs * MS_PER_NS;
  if (series.size < 2) return { value, low: null, high: null };
  const effective = effectiveSamples(series, pool, cell);
  const [upTo, beyond] = [effective * QUANTILES[key], effective * (1 - QUANTILES[key])];
  return {
    value,
    low: msAt(pool, Math.floor(pool.intended * betaQuantile(TAIL_SHARE, upTo, beyond + 1))),
    high: msAt(pool, Math.ceil(pool.intended * betaQuantile(1 - TAIL_SHARE, upTo + 1, beyond))),
  };
}

// The greatest sample bounds nothing from above, nor the least from below.
function msAt(pool: Samples, rank: number): number | null {
  const cell = rank < 1 || rank >= pool.intended ? null : pool.atRank(rank);
  return cell === null ? null : cell.highNs * MS_PER_NS;
}

/** The number of independent samples that would estimate the share of requests up to a latency as precisely. */
function effectiveSamples(series: Series, pool: Samples, at: HistogramCell): number {
  const restarts = series.size;
  const share = pool.countUpToMiddleOf(at) / pool.intended;
  const squares = [...series.values()].reduce((sum, parts) => {
    const upTo = parts.reduce((count, part) => count + part.countUpToMiddleOf(at), 0);
    const all = parts.reduce((count, part) => count + part.intended, 0);
    return sum + (upTo - share * all) ** 2;
  }, 0);
  const clustered = (restarts / (restarts - 1)) * squares;
  const independent = pool.intended * share * (1 - share);
  const smallSample = (tQuantile(TAIL_SHARE, restarts - 1) / NORMAL) ** 2;
  return pool.intended / (Math.max(1, clustered / independent) * smallSample);
}
