import type { Figure, NetworkSummary, StudyRecord, WorkloadName } from '../schema/index.js';
import { asksMaximum, searchStep } from './maximum-search.js';
import { maximumOf } from './rate-search.js';
import type { Evidence } from './rate-evidence.js';
import { REFERENCE } from './reference-ratios.js';

export type Maxima = Pick<NetworkSummary, 'maxRps' | 'maxRpsByWorkload'>;

/**
 * The highest rate of each network that holds: by a search where the study asks for one. Else by its own trials where some
 * reached it at the first workload that says anything of it, or the reference's closed-loop maximum; null where no trial
 * came near it.
 */
export const maximaOf =
  (study: StudyRecord, evidence: readonly Evidence[]) =>
  (name: string): Maxima =>
    asksMaximum(study.spec) ? searched(name, study, evidence) : { maxRps: unasked(name, study, evidence) };

function searched(name: string, study: StudyRecord, evidence: readonly Evidence[]): Maxima {
  if (!evidence.some(({ network }) => network === name)) return { maxRps: null };
  const figures = study.spec.workloads.map((workload): [WorkloadName, Figure] => [
    workload,
    searchedFigure(study, { network: name, workload }, evidence),
  ]);
  const [first] = figures;
  const found = figures.find(([, { value }]) => value !== null) ?? first;
  return { maxRps: found?.[1] ?? null, maxRpsByWorkload: Object.fromEntries(figures) };
}

function searchedFigure(...search: Parameters<typeof searchStep>): Figure {
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

function unasked(name: string, study: StudyRecord, evidence: readonly Evidence[]): Maxima['maxRps'] {
  for (const workload of study.spec.workloads) {
    const closedLoopRps = study.referenceMaxRps[workload] ?? null;
    const own = evidence.filter((trial) => trial.network === name && trial.workload === workload);
    const found = study.generator === undefined ? byTrials(own, closedLoopRps) : null;
    if (found !== null) return found;
    if (name === REFERENCE && closedLoopRps !== null) return { value: closedLoopRps, low: null, high: null };
  }
  return null;
}

function byTrials(trials: readonly Evidence[], closedLoopRps: number | null): Maxima['maxRps'] {
  const valid = trials.filter((trial) => trial.valid);
  const most = Math.max(...valid.map(({ achievedRps }) => achievedRps));
  return valid.length === 0 ? null : maximumOf(valid, { closedLoopRps: closedLoopRps ?? most });
}
