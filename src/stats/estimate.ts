import { QUANTILES, type Figure, type LatencyKey } from '../schema/index.js';
import { quantileRank, TAIL_SHARE } from './order-ranks.js';
import { Samples } from './samples.js';
import { blocksOf, carried, commonBlocks, inBlocks, partsOf, type Series } from './series.js';
import { studentQuantile } from './student.js';

// A histogram tells two values apart when they differ by 0.1 %: blocks that agree to the cell may still be that far
// apart, and their spread is not taken for less.
const RESOLUTION = 0.0005;

/**
 * What the blocks say of a latency or a ratio, on the natural-log scale. Where each trial carries the figure, `log` is
 * the mean of the blocks' own; where only all together do, it is that of the pooled samples, and the blocks' own are
 * jackknife pseudo-values: how far leaving a block out moves it.
 */
export interface Estimate {
  readonly log: number;
  /** Standard deviation of the blocks; null from a single one. */
  readonly spread: number | null;
  readonly blocks: number;
  /** Each block's own, with `log` as their mean. */
  readonly logs: readonly number[];
}

export type Estimated = Estimate | { readonly why: string };

type By = 'trial' | 'pool';

/** ln of a latency in ns. */
export function latencyEstimate(series: Series, key: LatencyKey): Estimated {
  const carry = carried(series, key);
  if (carry.by === 'none') return carry;
  const { by } = carry;
  return summed(blocksOf(series), by, (blocks) => logOf(inBlocks(series, blocks), key, by));
}

/** ln of the ratio of two latencies that were measured in the same blocks. */
export function ratioEstimate(above: Series, below: Series, key: LatencyKey): Estimated {
  const blocks = commonBlocks(above, below);
  if (blocks.length === 0) return { why: 'no block has a valid trial of both' };
  const [a, b] = [inBlocks(above, blocks), inBlocks(below, blocks)];
  const [carryA, carryB] = [carried(a, key), carried(b, key)];
  if (carryA.by === 'none') return carryA;
  if (carryB.by === 'none') return { why: `in the reference: ${carryB.why}` };
  const by = carryA.by === 'trial' && carryB.by === 'trial' ? 'trial' : 'pool';
  const log = (series: Series, some: readonly number[]): number => logOf(inBlocks(series, some), key, by);
  return summed(blocks, by, (some) => log(a, some) - log(b, some));
}

/** The estimate as a figure, with the ends between which the truth lies in 95 of 100 cases; none from one block. */
export function figureOf(estimated: Estimated, unit: number): Figure {
  if ('why' in estimated) return { value: null, why: estimated.why };
  const half = halfWidth(estimated);
  const at = (log: number): number => Math.exp(log) * unit;
  if (half === null) return { value: at(estimated.log), low: null, high: null };
  return { value: at(estimated.log), low: at(estimated.log - half), high: at(estimated.log + half) };
}

export const halfWidth = ({ spread, blocks }: Estimate): number | null =>
  spread === null ? null : (studentQuantile(TAIL_SHARE, blocks - 1) * spread) / Math.sqrt(blocks);

/** The mean of logs, with the spread that they show. */
export function meanOf(logs: readonly number[]): Estimate {
  const blocks = logs.length;
  const log = logs.reduce((sum, value) => sum + value, 0) / blocks;
  const squares = logs.reduce((sum, value) => sum + (value - log) ** 2, 0);
  const spread = blocks < 2 ? null : Math.max(RESOLUTION, Math.sqrt(squares / (blocks - 1)));
  // Without one of the blocks the figure may lie among requests that got no answer: then nothing bounds it.
  return { log, spread: Number.isFinite(spread) ? spread : null, blocks, logs };
}

function summed(blocks: readonly number[], by: By, logOver: (some: readonly number[]) => number): Estimate {
  if (by === 'trial') return meanOf(blocks.map((block) => logOver([block])));
  const log = logOver(blocks);
  if (blocks.length < 2) return meanOf([log]);
  const without = blocks.map((block) => logOver(blocks.filter((other) => other !== block)));
  const shift = log - without.reduce((sum, rest) => sum + rest, 0) / blocks.length;
  return meanOf(without.map((rest) => log + (blocks.length - 1) * (log - shift - rest)));
}

function logOf(series: Series, key: LatencyKey, by: By): number {
  const parts = by === 'trial' ? partsOf(series) : [Samples.pool(partsOf(series))];
  return parts.reduce((sum, part) => sum + Math.log(valueNs(part, key)), 0) / parts.length;
}

const valueNs = (samples: Samples, key: LatencyKey): number =>
  key === 'max'
    ? samples.maxNs
    : (samples.atRank(quantileRank(samples.intended, QUANTILES[key]))?.highNs ?? Infinity);
