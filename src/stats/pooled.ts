import { QUANTILES, type Estimate, type QuantileName } from '../schema/index.js';
import type { HistogramCell } from './histogram.js';
import { quantileRank, TAIL_SHARE } from './order-ranks.js';
import { Samples } from './samples.js';
import { betaQuantile, tQuantile } from './distributions.js';
import { median } from './clustered.js';
import { listSamples, sliceLog, type Series } from './log-estimate.js';
import { MS_PER_NS } from './quantile-estimates.js';

/** The normal quantile at TAIL_SHARE. */
const NORMAL = 1.959964;

/**
 * The quantile of all samples together, stalls included. The interval is Woodruff's: the spread between rounds of the share of requests up to the quantile gives the effective number of independent samples (Korn and
 * Graubard), which bounds the share exactly. An end that no sample reaches is null.
 */
export function estimatePooled(series: Series, key: QuantileName): Estimate {
  const pool = Samples.pool(listSamples(series));
  const cell = pool.atRank(quantileRank(pool.intended, QUANTILES[key]))!;
  const value = cell.highNs * MS_PER_NS;
  if (series.length < 2) return { value, low: null, high: null };
  const effective = effectiveSamples(series, pool, cell);
  const [upTo, beyond] = [effective * QUANTILES[key], effective * (1 - QUANTILES[key])];
  return {
    value,
    low: msAt(pool, Math.floor(pool.intended * betaQuantile(TAIL_SHARE, upTo, beyond + 1))),
    high: msAt(pool, Math.ceil(pool.intended * betaQuantile(1 - TAIL_SHARE, upTo + 1, beyond))),
  };
}

/**
 * The median over slices of the slice's quantile, in milliseconds. Its interval is by order statistics of the slices, as many as
 * would be independent: the spread between restarts of the share of slices up to the median decides (as in `estimatePooled`).
 */
export function estimateTypical(series: Series, key: QuantileName): Estimate {
  const slices = series.flatMap(({ restart, parts }) =>
    parts.map((part) => ({ restart, ms: Math.exp(sliceLog(part, key)) * MS_PER_NS })),
  );
  const sorted = slices.map(({ ms }) => ms).sort((a, b) => a - b);
  const [count, value] = [sorted.length, median(sorted)];
  const restarts = [...new Set(slices.map(({ restart }) => restart))];
  const clusters = restarts.map((restart) => slices.filter((slice) => slice.restart === restart));
  const squares = clusters
    .map((own) => own.reduce((sum, { ms }) => sum + (ms < value ? 0.5 : ms > value ? -0.5 : 0), 0) ** 2)
    .reduce((sum, square) => sum + square, 0);
  const effect =
    restarts.length < 2 ? 1 : ((restarts.length / (restarts.length - 1)) * squares) / (count / 4);
  const effective = count / Math.max(1, effect);
  const half = effective / 2;
  // A beta quantile bounds the share of all slices below the median, whose order statistics are then the ends.
  const low = Math.floor(count * betaQuantile(TAIL_SHARE, half, half + 1));
  const high = Math.ceil(count * betaQuantile(1 - TAIL_SHARE, half + 1, half));
  return {
    value,
    low: low < 1 || count < LEAST_SLICES ? null : sorted[low - 1]!,
    high: high > count || count < LEAST_SLICES ? null : sorted[high - 1]!,
  };
}

/** With fewer, no two order statistics hold the median with 95 %. */
const LEAST_SLICES = 6;

// The greatest sample bounds nothing from above, nor the least from below.
function msAt(pool: Samples, rank: number): number | null {
  const cell = rank < 1 || rank >= pool.intended ? null : pool.atRank(rank);
  return cell === null ? null : cell.highNs * MS_PER_NS;
}

/** The number of independent samples that would estimate the share of requests up to a latency as precisely. */
function effectiveSamples(series: Series, pool: Samples, at: HistogramCell): number {
  const rounds = series.length;
  const share = pool.countUpToMiddleOf(at) / pool.intended;
  const squares = series.reduce((sum, { parts }) => {
    const upTo = parts.reduce((count, part) => count + part.countUpToMiddleOf(at), 0);
    const all = parts.reduce((count, part) => count + part.intended, 0);
    return sum + (upTo - share * all) ** 2;
  }, 0);
  const clustered = (rounds / (rounds - 1)) * squares;
  const independent = pool.intended * share * (1 - share);
  const smallSample = (tQuantile(TAIL_SHARE, rounds - 1) / NORMAL) ** 2;
  return pool.intended / (Math.max(1, clustered / independent) * smallSample);
}
