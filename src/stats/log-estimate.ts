import {
  missing,
  QUANTILES,
  type Estimate,
  type Finding,
  type FindingScope,
  type LatencyKey,
  type PlannedSlice,
} from '../schema/index.js';
import type { CellSlices } from './cells.js';
import { tQuantile } from './distributions.js';
import { quantileRank, samplesNeeded, TAIL_SHARE } from './order-ranks.js';
import { findUnsupported, noResponseFinding, type ResponseCounts } from './quantile-estimates.js';
import { Samples } from './samples.js';

// A histogram resolves 0.1 %: restarts that agree to the cell may still differ by that, so their spread is at least this.
const RESOLUTION = 0.0005;

/** The latencies of a cell, or of one role in it, by restart. */
export type Series = ReadonlyMap<number, readonly Samples[]>;

/**
 * A latency or a ratio on the natural-log scale: the mean over sections of restarts. A section is one restart where each slice
 * supports the quantile by itself, else several restarts pooled (see `findSections`).
 */
export interface LogEstimate {
  readonly log: number;
  /** Standard error of `log`; null for a single section. */
  readonly error: number | null;
  /** Student's degrees of freedom of `error`. */
  readonly df: number;
  readonly restarts: number;
  /** The value of each section. */
  readonly logs: readonly number[];
}

export type LogEstimateOrFinding = LogEstimate | { readonly finding: Finding };

export function buildSeries(
  cell: CellSlices,
  latency: 'response' | 'service',
  role?: PlannedSlice['role'],
): Series {
  const series = new Map<number, Samples[]>();
  for (const slice of cell.valid) {
    if (role !== undefined && slice.record.role !== role) continue;
    const { restart } = slice.record;
    series.set(restart, [...(series.get(restart) ?? []), slice[latency]]);
  }
  return series;
}

/** ln of a latency in ns. */
export function estimateLogLatency(series: Series, key: LatencyKey): LogEstimateOrFinding {
  const sections = findSections(series, key);
  return 'finding' in sections ? sections : averageSections([series], listRestarts(series), sections, key);
}

/** ln of the ratio of two latencies measured in the same restarts. */
export function estimateLogRatio(above: Series, below: Series, key: LatencyKey): LogEstimateOrFinding {
  const restarts = listRestarts(above).filter((restart) => below.has(restart));
  if (restarts.length === 0) return { finding: { code: 'no-common-restart' } };
  const pair = [selectRestarts(above, restarts), selectRestarts(below, restarts)] as const;
  const [a, b] = [findSections(pair[0], key), findSections(pair[1], key)];
  if ('finding' in a) return a;
  if ('finding' in b) return withScope(b, 'reference');
  const sections = { count: Math.min(a.count, b.count), perSlice: a.perSlice && b.perSlice };
  return averageSections(pair, restarts, sections, key);
}

export const withScope = ({ finding }: { finding: Finding }, scope: FindingScope): { finding: Finding } => ({
  finding: { ...finding, scope },
});

/** The mean of logs with the standard error that their spread shows. */
export function averageLogs(logs: readonly number[], restarts: number): LogEstimate {
  const log = logs.reduce((sum, value) => sum + value, 0) / logs.length;
  const squares = logs.reduce((sum, value) => sum + (value - log) ** 2, 0);
  const spread = Math.max(RESOLUTION, Math.sqrt(squares / (logs.length - 1)));
  const error = logs.length < 2 ? null : spread / Math.sqrt(logs.length);
  return { log, error, df: logs.length - 1, restarts, logs };
}

/** The difference of two means from different restarts (Welch). */
export function subtractIndependent(above: LogEstimate, below: LogEstimate): LogEstimate {
  const [a, b] = [(above.error ?? NaN) ** 2, (below.error ?? NaN) ** 2];
  const error = Math.sqrt(a + b);
  const known = Number.isFinite(error);
  return {
    log: above.log - below.log,
    error: known ? error : null,
    df: known ? (a + b) ** 2 / (a ** 2 / above.df + b ** 2 / below.df) : 0,
    restarts: Math.min(above.restarts, below.restarts),
    logs: [],
  };
}

/** The estimate in `unit`s with its 95 % interval; no interval from one restart. */
export function toEstimate(estimate: LogEstimateOrFinding, unit: number): Estimate {
  if ('finding' in estimate) return missing(estimate.finding);
  const half = halfWidth(estimate);
  const at = (log: number): number => Math.exp(log) * unit;
  if (half === null) return { value: at(estimate.log), low: null, high: null };
  return { value: at(estimate.log), low: at(estimate.log - half), high: at(estimate.log + half) };
}

export const halfWidth = ({ error, df }: LogEstimate): number | null =>
  error === null ? null : tQuantile(TAIL_SHARE, df) * error;

/** How the restarts are divided for a quantile. */
export interface Sections {
  readonly count: number;
  /** Each slice supports the quantile by itself; otherwise the slices of a section are pooled. */
  readonly perSlice: boolean;
}

/** Sections that each support the quantile: restarts, or as many as have one sample beyond it. */
export function findSections(series: Series, key: LatencyKey): Sections | { readonly finding: Finding } {
  const parts = listSamples(series);
  if (parts.length === 0) return { finding: { code: 'no-valid-slice' } };
  const all = countResponses(parts);
  if (key === 'max') {
    if (all.intended === 0) return { finding: { code: 'no-samples' } };
    if (all.answered < all.intended) return { finding: noResponseFinding(all) };
    return { count: series.size, perSlice: true };
  }
  const p = QUANTILES[key];
  if (parts.every((part) => part.intended >= samplesNeeded(p))) {
    const findings = parts.flatMap((part) => findUnsupported(part, p) ?? []);
    if (findings[0] !== undefined) return { finding: inSlices(findings[0], findings.length, parts.length) };
    return { count: series.size, perSlice: true };
  }
  const finding = findUnsupported(all, p);
  if (finding !== null) return { finding };
  return { count: Math.min(series.size, Math.floor(all.intended * (1 - p))), perSlice: false };
}

export const listSamples = (series: Series): Samples[] => [...series.values()].flat();

export const countResponses = (parts: readonly Samples[]): ResponseCounts => ({
  intended: parts.reduce((sum, part) => sum + part.intended, 0),
  answered: parts.reduce((sum, part) => sum + part.answered, 0),
});

function inSlices(finding: Finding, slices: number, ofSlices: number): Finding {
  if (finding.code === 'too-few-samples')
    return { ...finding, code: 'too-few-samples-in-slices', slices, ofSlices };
  return finding.code === 'unanswered'
    ? { ...finding, code: 'unanswered-in-slices', slices, ofSlices }
    : finding;
}

const listRestarts = (series: Series): number[] => [...series.keys()].sort((a, b) => a - b);

const selectRestarts = (series: Series, restarts: readonly number[]): Series =>
  new Map(restarts.map((restart) => [restart, series.get(restart) ?? []]));

function averageSections(
  series: readonly Series[],
  restarts: readonly number[],
  { count, perSlice }: Sections,
  key: LatencyKey,
): LogEstimateOrFinding {
  const sections = Array.from({ length: count }, (_, section) =>
    restarts.filter((_, index) => Math.floor((index * count) / restarts.length) === section),
  );
  const logs = sections.map((section) =>
    series
      .map((one) => listSamples(selectRestarts(one, section)))
      .map((parts) =>
        perSlice
          ? parts.reduce(
              (sum, part) =>
                sum +
                Math.log(
                  key === 'max' ? part.maxNs : nsAtRank(part, quantileRank(part.intended, QUANTILES[key])),
                ),
              0,
            ) / parts.length
          : pooledLog(Samples.pool(parts), key),
      )
      .reduce((above, below) => above - below),
  );
  // The pool supports the quantile, but a section with most of the requests without a response does not.
  if (!logs.every(Number.isFinite)) return { finding: { code: 'unanswered-in-restarts' } };
  return averageLogs(logs, restarts.length);
}

// With one or two samples beyond it, rank ⌈p·n⌉ lies too far in. Half way between the ranks around p·n + 1/2 (Hazen's)
// is unbiased for a tail that falls as a power, and its logs have the same spread as a greater pool would.
function pooledLog(samples: Samples, key: LatencyKey): number {
  if (key === 'max') return Math.log(samples.maxNs);
  const rank = Math.min(samples.intended, samples.intended * QUANTILES[key] + 0.5);
  const [low, high] = [Math.floor(rank), Math.ceil(rank)];
  const [from, to] = [Math.log(nsAtRank(samples, low)), Math.log(nsAtRank(samples, high))];
  return from + (rank - low) * (to - from);
}

const nsAtRank = (samples: Samples, rank: number): number => samples.atRank(rank)?.highNs ?? Infinity;
