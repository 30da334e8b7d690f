import { QUANTILES, type LatencyKey, type PlannedTrial } from '../schema/index.js';
import type { CellTrials } from './cells.js';
import { samplesNeeded } from './order-ranks.js';
import type { Samples } from './samples.js';
import { amongUnanswered, whyNot, type Answers } from './within.js';

/** The latencies of a cell, or of one role in it, by block. */
export type Series = ReadonlyMap<number, readonly Samples[]>;

export type Latency = 'response' | 'service';

export function seriesOf(cell: CellTrials, latency: Latency, role?: PlannedTrial['role']): Series {
  const series = new Map<number, Samples[]>();
  for (const trial of cell.valid) {
    if (role !== undefined && trial.record.role !== role) continue;
    series.set(trial.record.block, [...(series.get(trial.record.block) ?? []), trial[latency]]);
  }
  return series;
}

/** The series in some of its blocks. */
export const inBlocks = (series: Series, blocks: readonly number[]): Series =>
  new Map(blocks.map((block) => [block, series.get(block) ?? []]));

export const blocksOf = (series: Series): number[] => [...series.keys()].sort((a, b) => a - b);

/** Consecutive blocks in `count` sections, as equal as can be. */
export const sectionsOf = (blocks: readonly number[], count: number): number[][] =>
  Array.from({ length: count }, (_, section) =>
    blocks.filter((_, at) => Math.floor((at * count) / blocks.length) === section),
  );

/** The blocks that both have. */
export const commonBlocks = (a: Series, b: Series): number[] => blocksOf(a).filter((block) => b.has(block));

export const partsOf = (series: Series): Samples[] => [...series.values()].flat();

/**
 * How many sections the blocks make so that each section carries the figure: a section is a block where each trial
 * carries it (`alone`), else as many blocks as have one sample beyond the quantile. Or why not even all together do.
 */
export type Carried = { readonly sections: number; readonly alone: boolean } | { readonly why: string };

export function carried(series: Series, key: LatencyKey): Carried {
  const parts = partsOf(series);
  if (parts.length === 0) return { why: 'no valid trial' };
  if (key === 'max') return answeredAll(parts, series.size);
  const p = QUANTILES[key];
  const alone = parts.every((part) => part.intended >= samplesNeeded(p));
  const all = totalOf(parts);
  const why = alone ? firstReason(parts, p) : whyNot(all, p);
  if (why !== null) return { why };
  const sections = alone ? series.size : Math.min(series.size, Math.floor(all.intended * (1 - p)));
  return { sections, alone };
}

export const totalOf = (parts: readonly Samples[]): Answers => ({
  intended: parts.reduce((sum, part) => sum + part.intended, 0),
  answered: parts.reduce((sum, part) => sum + part.answered, 0),
});

function firstReason(parts: readonly Samples[], p: number): string | null {
  const reasons = parts.flatMap((part) => whyNot(part, p) ?? []);
  const [first] = reasons;
  return first === undefined ? null : `in ${reasons.length} of ${parts.length} trials: ${first}`;
}

function answeredAll(parts: readonly Samples[], sections: number): Carried {
  const all = totalOf(parts);
  if (all.intended === 0) return { why: 'no samples' };
  return all.answered < all.intended ? { why: amongUnanswered(all) } : { sections, alone: true };
}
