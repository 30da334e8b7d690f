import { QUANTILES, type LoadResult, type Objective } from '../schema/index.js';
import type { SliceData } from './cells.js';
import { quantileRank, samplesNeeded } from './order-ranks.js';
import type { RateAttempt } from './rate-search.js';
import { Samples } from './samples.js';
import { MS_PER_NS } from './within.js';

/** What one slice says of the highest rate that its network carries. */
export interface Evidence extends RateAttempt {
  readonly network: string;
  readonly workload: string;
  /** Made by the search, not for a cell. */
  readonly searched: boolean;
  /** It did not come to be measured. */
  readonly failed: boolean;
}

/** Null where the slice was made for a cell and failed. Not valid, too, where its samples do not carry the objective's quantile. */
export function evidenceOf(slice: SliceData, objective: Objective | undefined): Evidence | null {
  const { record } = slice;
  const { network, workload, rateRps: offeredRps } = record;
  const searched = record.role === 'search';
  const base = { network, workload, offeredRps, searched };
  if (record.status === 'failed' || slice.response === null)
    return searched ? { ...base, achievedRps: 0, latencyMs: null, valid: false, failed: true } : null;
  const { load } = record;
  const latencyMs = objective === undefined ? null : latencyOf(slice, load.intended, objective);
  const valid = (record.valid || isOverloaded(load)) && latencyMs !== undefined;
  return { ...base, achievedRps: load.achievedRps, latencyMs: latencyMs ?? null, valid, failed: false };
}

/**
 * Its only doubt is that requests were never sent. The generator sends what it owes for as long as the time-out after the window's
 * end: so the network was too slow for the rate by far, which is what a search asks.
 */
function isOverloaded({
  selfCheck,
  intended,
  achievedRps,
}: Pick<LoadResult, 'intended' | 'achievedRps'> & Doubts): boolean {
  const missed = selfCheck.missedSends ?? 0;
  return selfCheck.reasons.length === 1 && missed > 0 && missed >= intended * MISSED && achievedRps > 0;
}

interface Doubts {
  readonly selfCheck: { readonly reasons: readonly string[]; readonly missedSends?: number };
}

/** The selfCheck's limit. */
const MISSED = 0.001;

/** Milliseconds; null among requests without an answer; undefined where there are too few requests to tell. */
function latencyOf(
  { response }: SliceData,
  intended: number,
  { latency }: Objective,
): number | null | undefined {
  if (response === null) return undefined;
  const samples = Samples.of(response, intended);
  if (latency === 'max') return samples.answered < samples.intended ? null : samples.maxNs * MS_PER_NS;
  const p = QUANTILES[latency];
  if (intended < samplesNeeded(p)) return undefined;
  const cell = samples.atRank(quantileRank(samples.intended, p));
  return cell === null ? null : cell.highNs * MS_PER_NS;
}
