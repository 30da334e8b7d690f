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
import { estimateClustered, halfWidth, type LogEstimate, type RoundLog } from './clustered.js';
import { quantileRank, samplesNeeded } from './order-ranks.js';
import { findUnsupported, noResponseFinding, type ResponseCounts } from './quantile-estimates.js';
import { Samples } from './samples.js';

/** The latencies of a cell, or of one role in it, in one round: one slice, or two of the reference. */
interface RoundSamples {
  readonly restart: number;
  readonly round: number;
  readonly parts: readonly Samples[];
}

/** By restart and round, ascending. */
export type Series = readonly RoundSamples[];

export type LogEstimateOrFinding = LogEstimate | { readonly finding: Finding };

/** @param role selects the slices of one role, or of one in each restart */
export function buildSeries(
  cell: CellSlices,
  latency: 'response' | 'service',
  role?: PlannedSlice['role'] | ((restart: number) => PlannedSlice['role']),
): Series {
  const rounds = new Map<string, { restart: number; round: number; parts: Samples[] }>();
  for (const slice of cell.valid) {
    const { restart, round } = slice.record;
    const wanted = typeof role === 'function' ? role(restart) : role;
    if (wanted !== undefined && slice.record.role !== wanted) continue;
    const key = roundKey({ restart, round });
    const own = rounds.get(key) ?? { restart, round, parts: [] };
    own.parts.push(slice[latency]);
    rounds.set(key, own);
  }
  return [...rounds.values()].sort((a, b) => a.restart - b.restart || a.round - b.round);
}

const roundKey = ({ restart, round }: Pick<RoundSamples, 'restart' | 'round'>): string =>
  `${restart}/${round}`;

/** ln of a latency in ns. */
export function estimateLogLatency(series: Series, key: LatencyKey): LogEstimateOrFinding {
  const sections = findSections(series, key);
  return 'finding' in sections ? sections : averageSections([series], sections, key);
}

/** ln of the ratio of two latencies measured in the same rounds. */
export function estimateLogRatio(above: Series, below: Series, key: LatencyKey): LogEstimateOrFinding {
  const common = new Set(below.map(roundKey));
  const pair = [above.filter((one) => common.has(roundKey(one)))];
  const shared = new Set(pair[0]!.map(roundKey));
  pair.push(below.filter((one) => shared.has(roundKey(one))));
  if (shared.size === 0) return { finding: { code: 'no-common-round' } };
  const [a, b] = [findSections(pair[0]!, key), findSections(pair[1]!, key)];
  if ('finding' in a) return a;
  if ('finding' in b) return withScope(b, 'reference');
  const sections = { count: Math.min(a.count, b.count), perSlice: a.perSlice && b.perSlice };
  return averageSections(pair, sections, key);
}

export const withScope = ({ finding }: { finding: Finding }, scope: FindingScope): { finding: Finding } => ({
  finding: { ...finding, scope },
});

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

/** How the rounds are divided for a quantile. */
export interface Sections {
  readonly count: number;
  /** Each slice supports the quantile by itself; otherwise the slices of a section are pooled. */
  readonly perSlice: boolean;
}

/** Sections that each support the quantile: rounds, or as many groups of rounds as have one sample beyond it. */
export function findSections(series: Series, key: LatencyKey): Sections | { readonly finding: Finding } {
  const parts = listSamples(series);
  if (parts.length === 0) return { finding: { code: 'no-valid-slice' } };
  const all = countResponses(parts);
  if (key === 'max') {
    if (all.intended === 0) return { finding: { code: 'no-samples' } };
    if (all.answered < all.intended) return { finding: noResponseFinding(all) };
    return { count: series.length, perSlice: true };
  }
  const p = QUANTILES[key];
  if (parts.every((part) => part.intended >= samplesNeeded(p))) {
    const findings = parts.flatMap((part) => findUnsupported(part, p) ?? []);
    if (findings[0] !== undefined) return { finding: inSlices(findings[0], findings.length, parts.length) };
    return { count: series.length, perSlice: true };
  }
  const finding = findUnsupported(all, p);
  if (finding !== null) return { finding };
  return { count: Math.min(series.length, Math.floor(all.intended * (1 - p))), perSlice: false };
}

export const listSamples = (series: Series): Samples[] => series.flatMap(({ parts }) => parts);

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

function averageSections(
  series: readonly Series[],
  { count, perSlice }: Sections,
  key: LatencyKey,
): LogEstimateOrFinding {
  const rounds = series[0] ?? [];
  const values = Array.from({ length: count }, (_, section): RoundLog => {
    const isOwn = (_round: RoundSamples, index: number): boolean =>
      Math.floor((index * count) / rounds.length) === section;
    const logs = series
      .map((one) => listSamples(one.filter(isOwn)))
      .map((parts) => (perSlice ? meanLog(parts, key) : pooledLog(Samples.pool(parts), key)));
    // A section may reach into the next restart. It counts for the one where it begins.
    const { restart, round } = rounds.find(isOwn)!;
    return { restart, round, log: logs.reduce((above, below) => above - below) };
  });
  // The pool supports the quantile, but a section with most of the requests without a response does not.
  if (!values.every(({ log }) => Number.isFinite(log)))
    return { finding: { code: 'unanswered-in-restarts' } };
  return estimateClustered(values);
}

function meanLog(parts: readonly Samples[], key: LatencyKey): number {
  const logs = parts.map((part) => sliceLog(part, key));
  return logs.reduce((sum, log) => sum + log, 0) / logs.length;
}

/** ln of a slice's quantile in ns. */
export const sliceLog = (part: Samples, key: LatencyKey): number =>
  Math.log(key === 'max' ? part.maxNs : nsAtRank(part, quantileRank(part.intended, QUANTILES[key])));

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
