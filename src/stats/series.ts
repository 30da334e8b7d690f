import { QUANTILES, type LatencyKey, type PlannedTrial } from '../schema/index.js';
import type { CellTrials } from './cells.js';
import { samplesNeeded } from './order-ranks.js';
import { Samples } from './samples.js';
import { whyNot } from './within.js';

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

/** The blocks that both have. */
export const commonBlocks = (a: Series, b: Series): number[] => blocksOf(a).filter((block) => b.has(block));

export const partsOf = (series: Series): Samples[] => [...series.values()].flat();

/** Whether each trial by itself, only all of them together, or not even they carry the figure; and then why not. */
export type Carried = { readonly by: 'trial' | 'pool' } | { readonly by: 'none'; readonly why: string };

export function carried(series: Series, key: LatencyKey): Carried {
  const parts = partsOf(series);
  if (parts.length === 0) return { by: 'none', why: 'no valid trial' };
  if (key === 'max') return answeredAll(parts);
  const p = QUANTILES[key];
  const enough = parts.every((part) => part.intended >= samplesNeeded(p));
  const why = enough ? firstReason(parts, p) : whyNot(Samples.pool(parts), p);
  return why === null ? { by: enough ? 'trial' : 'pool' } : { by: 'none', why };
}

function firstReason(parts: readonly Samples[], p: number): string | null {
  const reasons = parts.flatMap((part) => whyNot(part, p) ?? []);
  const [first] = reasons;
  return first === undefined ? null : `in ${reasons.length} of ${parts.length} trials: ${first}`;
}

function answeredAll(parts: readonly Samples[]): Carried {
  const late = parts.reduce((sum, part) => sum + part.unanswered, 0);
  const all = parts.reduce((sum, part) => sum + part.intended, 0);
  if (all === 0) return { by: 'none', why: 'no samples' };
  return late === 0
    ? { by: 'trial' }
    : { by: 'none', why: `lies among ${late} of ${all} requests that got no answer` };
}
