import type { Estimate, NetworkSummary, StudyRecord, WorkloadName } from '../schema/index.js';
import { asksMaximum, searchStep } from './maximum-search.js';
import { maximumOf } from './rate-search.js';
import type { Evidence } from './rate-evidence.js';
import { REFERENCE } from './reference-ratios.js';

export type NetworkMaxima = Pick<NetworkSummary, 'maxRps' | 'maxRpsByWorkload'>;

/**
 * The highest rate of each network that holds: by a search where the study asks for one. Else by its own slices where some
 * reached it at the first workload that says anything of it, or the reference's closed-loop maximum; null where no slice
 * came near it.
 */
export const maximaOf =
  (study: StudyRecord, evidence: readonly Evidence[]) =>
  (name: string): NetworkMaxima =>
    asksMaximum(study.spec) ? searched(name, study, evidence) : { maxRps: unasked(name, study, evidence) };

function searched(name: string, study: StudyRecord, evidence: readonly Evidence[]): NetworkMaxima {
  if (!evidence.some(({ network }) => network === name)) return { maxRps: null };
  const figures = study.spec.workloads.map((workload): [WorkloadName, Estimate] => [
    workload,
    searchedFigure(study, { network: name, workload }, evidence),
  ]);
  const [first] = figures;
  const found = figures.find(([, { value }]) => value !== null) ?? first;
  return { maxRps: found?.[1] ?? null, maxRpsByWorkload: Object.fromEntries(figures) };
}

function searchedFigure(...search: Parameters<typeof searchStep>): Estimate {
  const step = searchStep(...search);
  switch (step.kind) {
    case 'found':
      return step.max;
    case 'none':
      return { value: null, why: step.why };
    case 'try':
      return { value: null, why: 'the search for it has not ended: go on with --resume' };
  }
}

function unasked(name: string, study: StudyRecord, evidence: readonly Evidence[]): NetworkMaxima['maxRps'] {
  for (const workload of study.spec.workloads) {
    const closedLoopRps = study.referenceMaxRps[workload] ?? null;
    const own = evidence.filter((slice) => slice.network === name && slice.workload === workload);
    const found = study.generator === undefined ? bySlices(own, closedLoopRps) : null;
    if (found !== null) return found;
    if (name === REFERENCE && closedLoopRps !== null) return { value: closedLoopRps, low: null, high: null };
  }
  return null;
}

function bySlices(slices: readonly Evidence[], closedLoopRps: number | null): NetworkMaxima['maxRps'] {
  const valid = slices.filter((slice) => slice.valid);
  const most = Math.max(...valid.map(({ achievedRps }) => achievedRps));
  return valid.length === 0 ? null : maximumOf(valid, { closedLoopRps: closedLoopRps ?? most });
}
