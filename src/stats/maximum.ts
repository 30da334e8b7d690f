import {
  bug,
  missing,
  findLimit,
  needsMaxima,
  printLimit,
  QUANTILES,
  type Estimate,
  type Finding,
  type NetworkSummary,
  type LatencyLimit,
  type ResolvedStudy,
  type StudyRecord,
  type WorkloadName,
} from '../schema/index.js';
import type { SliceData } from './cells.js';
import { offeredRps, type Offer } from './cells.js';
import { quantileRank, samplesNeeded } from './order-ranks.js';
import { MS_PER_NS } from './quantile-estimates.js';
import { boundMaximum, nextRate, type RateAttempt, type RateStep } from './rate-search.js';
import { Samples } from './samples.js';

/** A network with the workload whose maximum is searched. */
export interface SearchTarget {
  readonly network: string;
  readonly workload: WorkloadName;
}

/** What one slice shows about the highest rate that its network sustains. */
export interface RateEvidence extends RateAttempt {
  readonly network: string;
  readonly workload: string;
  /** The slice belongs to a search, not to a cell. */
  readonly searched: boolean;
  /** The slice was not measured. */
  readonly failed: boolean;
}

/** Failed slices after which a search ends. */
const MAX_FAILURES = 3;
/** Phases decide whether a request falls into the window: this margin guarantees the needed number. */
const SAMPLE_MARGIN = 1.05;

export const wantsMaximum = ({ maximum, objective }: Pick<ResolvedStudy, 'maximum' | 'objective'>): boolean =>
  maximum || needsMaxima(objective);

/** The searches that have not ended, each with its next rate, for networks with a measured slice. */
export function openSearches(
  study: StudyRecord,
  evidence: readonly RateEvidence[],
): readonly (SearchTarget & { readonly rateRps: number })[] {
  if (!wantsMaximum(study.spec)) return [];
  const measured = [...new Set(evidence.filter(({ failed }) => !failed).map(({ network }) => network))];
  return measured.flatMap((network) =>
    study.spec.workloads.flatMap((workload) => {
      const step = stepSearch(study, { network, workload }, evidence);
      return step.kind === 'try' ? [{ network, workload, rateRps: step.rateRps }] : [];
    }),
  );
}

/** The window of a slice of the search: long enough to see whether a backlog grows, unless the spec gives another. */
export const searchSliceMs = ({
  durationMs,
  sliceGiven,
}: Pick<ResolvedStudy, 'durationMs' | 'sliceGiven'>): number =>
  sliceGiven ? durationMs : Math.max(durationMs, SEARCH_SLICE_MS);
const SEARCH_SLICE_MS = 1_500;

/** The next rate of a network's search, or its result. Pure: the state is the evidence. */
function stepSearch(study: StudyRecord, target: SearchTarget, evidence: readonly RateEvidence[]): RateStep {
  const limit = findLimit(study.spec.objective);
  const durationMs = searchSliceMs(study.spec);
  const own = evidence.filter(
    ({ network, workload }) => network === target.network && workload === target.workload,
  );
  const searched = own.filter((slice) => slice.searched);
  const none = (finding: Finding): RateStep => ({ kind: 'none', finding });
  const closedLoopRps = study.referenceMaxRps[target.workload] ?? null;
  if (closedLoopRps === null || closedLoopRps <= 0) return none({ code: 'reference-maximum-unknown' });
  if (searched.filter(({ failed }) => failed).length >= MAX_FAILURES)
    return none({ code: 'search-slices-failed', slices: MAX_FAILURES });
  // The rate at which a slice has as many requests as the limit's quantile needs.
  const minRps =
    limit === undefined || limit.latency === 'max'
      ? 0
      : (SAMPLE_MARGIN * samplesNeeded(QUANTILES[limit.latency])) / (durationMs / 1000);
  if (limit !== undefined && minRps > closedLoopRps) {
    const neededS = Math.ceil(((minRps / closedLoopRps) * durationMs) / 1000);
    return none({ code: 'slices-too-short', objective: printLimit(limit), neededS });
  }
  const step = nextRate(searched, {
    closedLoopRps,
    latencyLimitMs: limit?.limitMs ?? null,
    minRps,
    known: own.filter((slice) => !slice.searched),
  });
  if (step.kind === 'none' && limit !== undefined && step.finding.code === 'no-rate-sustained')
    return none({ ...step.finding, objective: printLimit(limit) });
  return step;
}

/**
 * Null for a failed slice of a cell. Also invalid are slices whose samples do not support the limit's quantile. A slice
 * whose only finding is missed sends is valid evidence: the generator sends overdue requests until the time-out after the
 * window, so the network was too slow for that rate.
 */
export function toEvidence(
  slice: SliceData,
  limit: LatencyLimit | undefined,
  offer: Offer,
): RateEvidence | null {
  const { record } = slice;
  const { network, workload, rateRps } = record;
  const searched = record.role === 'search';
  const base = { network, workload, offeredRps: rateRps, searched };
  if (record.status === 'failed' || slice.response === null)
    return searched ? { ...base, achievedRps: 0, latencyMs: null, valid: false, failed: true } : null;
  const { load } = record;
  const { findings } = load.selfCheck;
  const overloaded =
    load.achievedRps > 0 && findings.length > 0 && findings.every(({ code }) => code === 'sends-missed');
  const latencyMs = limit === undefined ? null : findLatency(slice.response, load.intended, limit);
  const valid = (record.valid || overloaded) && latencyMs !== undefined;
  // Of a rate that more or fewer requests were drawn for by chance, as if there had been exactly as many.
  const achievedRps = (load.achievedRps * base.offeredRps) / offeredRps(record, offer);
  return { ...base, achievedRps, latencyMs: latencyMs ?? null, valid, failed: false };
}

/** Milliseconds; null among requests without a response; undefined where there are too few requests. */
function findLatency(
  response: NonNullable<SliceData['response']>,
  intended: number,
  { latency }: LatencyLimit,
): number | null | undefined {
  const samples = Samples.from(response, intended);
  if (latency === 'max') return samples.answered < samples.intended ? null : samples.maxNs * MS_PER_NS;
  const p = QUANTILES[latency];
  if (intended < samplesNeeded(p)) return undefined;
  const cell = samples.atRank(quantileRank(samples.intended, p));
  return cell === null ? null : cell.highNs * MS_PER_NS;
}

export type NetworkMaxima = Pick<NetworkSummary, 'maxRps' | 'maxRpsByWorkload'>;

/**
 * The highest sustained rate of a network: from a search where the study has one, else from its own slices, else (for the
 * reference) the closed-loop maximum; null where no slice came near it.
 */
export function estimateMaxima(
  study: StudyRecord,
  evidence: readonly RateEvidence[],
  network: string,
): NetworkMaxima {
  const own = evidence.filter((slice) => slice.network === network);
  if (!wantsMaximum(study.spec)) return { maxRps: estimateUnsearched(study, own, network) };
  if (own.length === 0) return { maxRps: null };
  const estimates = study.spec.workloads.map((workload): [WorkloadName, Estimate] => {
    const step = stepSearch(study, { network, workload }, own);
    if (step.kind === 'found') return [workload, step.max];
    return [workload, missing(step.kind === 'none' ? step.finding : { code: 'search-unfinished' })];
  });
  const [first] = estimates;
  if (first === undefined) throw bug('a study has at least one workload');
  const found = estimates.find(([, { value }]) => value !== null) ?? first;
  return { maxRps: found[1], maxRpsByWorkload: Object.fromEntries(estimates) };
}

function estimateUnsearched(
  study: StudyRecord,
  own: readonly RateEvidence[],
  network: string,
): NetworkMaxima['maxRps'] {
  for (const workload of study.spec.workloads) {
    const closedLoopRps = study.referenceMaxRps[workload] ?? null;
    const valid = own.filter((slice) => slice.workload === workload && slice.valid);
    if (study.generator === undefined && valid.length > 0) {
      const most = Math.max(...valid.map(({ achievedRps }) => achievedRps));
      const found = boundMaximum(valid, { closedLoopRps: closedLoopRps ?? most });
      if (found !== null) return found;
    }
    if (network === study.spec.reference && closedLoopRps !== null)
      return { value: closedLoopRps, low: null, high: null };
  }
  return null;
}
