import type { PlannedSlice, StudyRecord } from '../schema/index.js';
import { openSearches, type RateEvidence } from '../stats/index.js';
import { seeded, shuffled } from './plan-slices.js';

/**
 * One round of the search for the maxima: for each network and workload whose search has not ended, the slice that says most
 * after those before it, in a random order. Rounds, so that what drifts in the machine falls on all networks alike; each counts
 * on after the restarts, and has a generator of its own as they have. Empty when all have ended. The evidence is the state: a
 * resume goes on where the search was.
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
