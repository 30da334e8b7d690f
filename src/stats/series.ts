import { QUANTILES, type LatencyKey, type PlannedSlice } from '../schema/index.js';
import type { CellSlices } from './cells.js';
import { samplesNeeded } from './order-ranks.js';
import type { Samples } from './samples.js';
import { amongUnanswered, whyNot, type Answers } from './within.js';

/** The latencies of a cell, or of one role in it, by restart. */
export type Series = ReadonlyMap<number, readonly Samples[]>;

export type Latency = 'response' | 'service';

export function seriesOf(cell: CellSlices, latency: Latency, role?: PlannedSlice['role']): Series {
  const series = new Map<number, Samples[]>();
  for (const slice of cell.valid) {
    if (role !== undefined && slice.record.role !== role) continue;
    series.set(slice.record.restart, [...(series.get(slice.record.restart) ?? []), slice[latency]]);
  }
  return series;
}

/** The series in some of its restarts. */
export const inRestarts = (series: Series, restarts: readonly number[]): Series =>
  new Map(restarts.map((restart) => [restart, series.get(restart) ?? []]));

export const restartsOf = (series: Series): number[] => [...series.keys()].sort((a, b) => a - b);

/** Consecutive restarts in `count` sections, as equal as can be. */
export const sectionsOf = (restarts: readonly number[], count: number): number[][] =>
  Array.from({ length: count }, (_, section) =>
    restarts.filter((_, at) => Math.floor((at * count) / restarts.length) === section),
  );

/** The restarts that both have. */
export const commonRestarts = (a: Series, b: Series): number[] =>
  restartsOf(a).filter((restart) => b.has(restart));

export const partsOf = (series: Series): Samples[] => [...series.values()].flat();

/**
 * How many sections the restarts make so that each section carries the figure: a section is a restart where each slice
 * carries it (`alone`), else as many restarts as have one sample beyond the quantile. Or why not even all together do.
 */
export type Carried = { readonly sections: number; readonly alone: boolean } | { readonly why: string };

export function carried(series: Series, key: LatencyKey): Carried {
  const parts = partsOf(series);
  if (parts.length === 0) return { why: 'no valid slice' };
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
  return first === undefined ? null : `in ${reasons.length} of ${parts.length} slices: ${first}`;
}

function answeredAll(parts: readonly Samples[], sections: number): Carried {
  const all = totalOf(parts);
  if (all.intended === 0) return { why: 'no samples' };
  return all.answered < all.intended ? { why: amongUnanswered(all) } : { sections, alone: true };
}
