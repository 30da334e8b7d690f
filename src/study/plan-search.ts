import type { PlannedTrial, StudyRecord } from '../schema/index.js';
import { openSearches, type Evidence } from '../stats/index.js';
import { seeded, shuffled } from './plan.js';

/**
 * One round of the search for the maxima: for each network and workload whose search has not ended, the trial that says most
 * after those before it, in a random order. Rounds, so that what drifts in the machine falls on all networks alike; each counts
 * on after the blocks, and has a generator of its own as they have. Empty when all have ended. The evidence is the state: a
 * resume goes on where the search was.
 */
export function planRound(study: StudyRecord, evidence: readonly Evidence[]): readonly PlannedTrial[] {
  const searched = evidence.filter((trial) => trial.searched);
  const before = (network: string, workload: string): number =>
    searched.filter((trial) => trial.network === network && trial.workload === workload).length;
  const rounds = Math.max(0, ...searched.map(({ network, workload }) => before(network, workload)));
  const random = seeded(study.spec.seed + searched.length);
  return shuffled(openSearches(study, evidence), random).map(({ network, workload, rateRps }, at) => ({
    id: `max-${workload}-${network}-${String(before(network, workload) + 1).padStart(2, '0')}`,
    block: study.spec.blocks + rounds + 1,
    order: at + 1,
    role: 'search',
    network,
    workload,
    rateRps,
    rateOfMax: null,
  }));
}
