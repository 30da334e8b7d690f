import { QUANTILES, type Cell } from '../schema/index.js';
import { quantileRank, TAIL_SHARE } from './order-ranks.js';
import type { Samples } from './samples.js';
import { MS_PER_NS } from './within.js';

const GRID = 100;

/**
 * Latency by percentile, evenly spaced in the number of nines, and at the published quantiles. It ends at the last
 * quantile that these samples carry, or before the first request without an answer.
 */
export function curveOf(samples: Samples): Cell['curve'] {
  if (samples.answered === 0) return [];
  return quantilesUpTo(last(samples)).flatMap((quantile) => {
    const cell = samples.atRank(quantileRank(samples.intended, quantile));
    return cell === null ? [] : [{ quantile, ms: cell.highNs * MS_PER_NS }];
  });
}

const last = (samples: Samples): number => TAIL_SHARE ** (1 / Math.max(samples.intended, 2));

function quantilesUpTo(end: number): number[] {
  const nines = -Math.log10(1 - end);
  const grid = Array.from({ length: GRID + 1 }, (_, step) => 1 - 10 ** (-(nines * step) / GRID));
  const named = Object.values(QUANTILES).filter((p) => p < end);
  return [...new Set([...grid, ...named])].sort((a, b) => a - b);
}
