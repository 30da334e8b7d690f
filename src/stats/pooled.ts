import { QUANTILES, type Estimate, type QuantileName } from '../schema/index.js';
import type { HistogramCell } from './histogram.js';
import { quantileRank, TAIL_SHARE } from './order-ranks.js';
import { Samples } from './samples.js';
import { partsOf, type Series } from './series.js';
import { betaQuantile, studentQuantile } from './student.js';
import { MS_PER_NS } from './within.js';

/** Student's t at TAIL_SHARE with endless restarts. */
const NORMAL = 1.959964;

/**
 * A quantile that no slice carries by itself: that of all samples together. Its ends follow Woodruff: how far the share of
 * requests up to it differs from restart to restart says how many independent samples the restarts are worth (Korn and
 * Graubard's effective number), and those bound the share exactly. An end that no sample reaches is null.
 */
export function pooledFigure(series: Series, key: QuantileName): Estimate {
  const pool = Samples.pool(partsOf(series));
  const cell = pool.atRank(quantileRank(pool.intended, QUANTILES[key]))!;
  const value = cell.highNs * MS_PER_NS;
  if (series.size < 2) return { value, low: null, high: null };
  const worth = effectiveSamples(series, pool, cell);
  const [upTo, beyond] = [worth * QUANTILES[key], worth * (1 - QUANTILES[key])];
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

/** How many independent samples would know the share of requests up to a latency as well as these restarts do. */
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
  const fewRestarts = (studentQuantile(TAIL_SHARE, restarts - 1) / NORMAL) ** 2;
  return pool.intended / (Math.max(1, clustered / independent) * fewRestarts);
}
