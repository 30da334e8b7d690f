import type { PlannedSlice, StudyRecord } from '../schema/index.js';
import { toEvidence, Histogram, openSearches, type RateEvidence } from '../stats/index.js';
import { planRound } from './plan-search.js';
import type { OnStudyEvent } from './progress.js';
import { readResults } from './reading.js';
import type { ResultsDirectory } from './results.js';
import { planSearchLoad, type LoadTemplate, type StudyPlan } from './plan.js';
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
  return slices.flatMap((slice) => toEvidence(slice, study.spec.objective) ?? []);
}

function evidenceFrom({ record, histograms }: SliceOutcome, { spec }: StudyRecord): RateEvidence[] {
  const response = histograms === null ? null : Histogram.decode(histograms.response);
  return [toEvidence({ record, response, service: null }, spec.objective) ?? []].flat();
}
