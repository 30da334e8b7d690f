import type { PlannedSlice, StudyRecord } from '../schema/index.js';
import { openSearches, type RateEvidence } from '../stats/index.js';
import { seeded, shuffled } from './plan-slices.js';

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
