import { findLimit, type PlannedSlice, type StudyRecord } from '../schema/index.js';
import { toEvidence, Histogram, openSearches, type RateEvidence, offerOf } from '../stats/index.js';
import { seeded, shuffled } from './plan-slices.js';
import { planSearchLoad } from './plan-loads.js';
import type { LoadTemplate, StudyPlan } from './plan-types.js';
import type { OnStudyEvent } from './progress.js';
import { readResults } from './reading.js';
import type { ResultsDirectory } from './results.js';
import type { SliceOutcome } from './slice.js';

export interface MaximumSearch {
  readonly plan: StudyPlan;
  readonly study: StudyRecord;
  readonly directory: ResultsDirectory;
  readonly onEvent: OnStudyEvent;
  /** Runs a slice and keeps its record. */
  readonly measure: (planned: PlannedSlice, load: LoadTemplate) => Promise<SliceOutcome>;
}

/** Tries rates round by round until the maximum of each network and workload is known, or cannot be found. */
export async function searchMaxima({
  plan,
  study,
  directory,
  onEvent,
  measure,
}: MaximumSearch): Promise<void> {
  const evidence = await evidenceIn(directory);
  const searches = openSearches(study, evidence).length;
  if (searches > 0) onEvent({ kind: 'searching', searches });
  for (let position = 1; ;) {
    const round = planRound(study, evidence);
    if (round.length === 0) return;
    for (const planned of round) {
      onEvent({ kind: 'slice-started', planned, position: position++, of: null, leftMs: null });
      evidence.push(...evidenceFrom(await measure(planned, planSearchLoad(plan, planned)), study));
    }
  }
}

/** The evidence of all slices in a directory about the maxima. */
export async function evidenceIn(directory: ResultsDirectory): Promise<RateEvidence[]> {
  const { study, slices } = await readResults(directory);
  return slices.flatMap((slice) => toEvidence(slice, findLimit(study.spec.objective), offerOf(study)) ?? []);
}

function evidenceFrom({ record, histograms }: SliceOutcome, study: StudyRecord): RateEvidence[] {
  const response = histograms === null ? null : Histogram.decode(histograms.response);
  return [
    toEvidence({ record, response, service: null }, findLimit(study.spec.objective), offerOf(study)) ?? [],
  ].flat();
}

/**
 * Plans one round of the search for the maxima: for each network and workload whose search is open, the slice
 * that adds most to the evidence, in a random order. Rounds spread drift of the machine over all networks
 * alike. Each round counts on after the restarts and has its own generator, as they have. Returns no slice
 * when all searches have ended. The evidence is the state, so a resume continues the search.
 */
export function planRound(study: StudyRecord, evidence: readonly RateEvidence[]): readonly PlannedSlice[] {
  const searched = evidence.filter((slice) => slice.searched);
  const before = (network: string, workload: string): number =>
    searched.filter((slice) => slice.network === network && slice.workload === workload).length;
  const rounds = Math.max(0, ...searched.map(({ network, workload }) => before(network, workload)));
  const random = seeded(study.spec.seed + searched.length);
  return shuffled(openSearches(study, evidence), random).map(({ network, workload, rateRps }, at) => ({
    id: `max-${workload}-${network}-${String(before(network, workload) + 1).padStart(2, '0')}`,
    restart: study.spec.restarts + rounds + 1,
    round: 1,
    order: at + 1,
    role: 'search',
    network,
    workload,
    rateRps,
    rateOfMax: null,
  }));
}
