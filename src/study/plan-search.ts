import type { PlannedTrial, StudyRecord } from '../schema/index.js';
import { openSearches, type Evidence } from '../stats/index.js';
import { seeded, shuffled } from './plan.js';

/**
 * One round of the search for the maxima: for each network and workload whose search has not ended, the trial that says most
 * after those before it, in a random order. Rounds, so that what drifts in the machine falls on all networks alike. Empty
 * when all have ended. The evidence is the state: a resume goes on where the search was.
 */
export function planRound(study: StudyRecord, evidence: readonly Evidence[]): readonly PlannedTrial[] {
  const searched = evidence.filter((trial) => trial.searched);
  const random = seeded(study.spec.seed + searched.length);
  return shuffled(openSearches(study, evidence), random).map(({ network, workload, rateRps }, at) => {
    const before = searched.filter((trial) => trial.network === network && trial.workload === workload);
    return {
      id: `max-${workload}-${network}-${String(before.length + 1).padStart(2, '0')}`,
      block: 0,
      order: searched.length + at + 1,
      role: 'search',
      network,
      workload,
      rateRps,
      rateOfMax: null,
    };
  });
}
