import {
  printObjective,
  QUANTILES,
  type Objective,
  type ResolvedStudy,
  type StudyRecord,
  type WorkloadName,
} from '../schema/index.js';
import { samplesNeeded } from './order-ranks.js';
import type { Evidence } from './rate-evidence.js';
import { nextRate, type RateStep } from './rate-search.js';

/** A network with the workload whose maximum is searched. */
export interface SearchOf {
  readonly network: string;
  readonly workload: WorkloadName;
}

/** Slices that fail for another reason than their load, before a search gives up. */
const MOST_FAILURES = 3;
/** Phases decide whether a request falls into the window: a few more make sure of the least number. */
const SPARE = 1.05;

export const asksMaximum = ({ maximum, objective }: Pick<ResolvedStudy, 'maximum' | 'objective'>): boolean =>
  maximum || objective !== undefined;

/** The searches that have not ended, each with the rate to try next: of the networks of which any slice was measured. */
export function openSearches(
  study: StudyRecord,
  evidence: readonly Evidence[],
): readonly (SearchOf & { readonly rateRps: number })[] {
  if (!asksMaximum(study.spec)) return [];
  const measured = [...new Set(evidence.filter(({ failed }) => !failed).map(({ network }) => network))];
  return measured.flatMap((network) =>
    study.spec.workloads.flatMap((workload) => {
      const step = searchStep(study, { network, workload }, evidence);
      return step.kind === 'try' ? [{ network, workload, rateRps: step.rateRps }] : [];
    }),
  );
}

/** Where the search for a network's maximum stands: the next rate to try, or how it ended. Pure: the state is the evidence. */
export function searchStep(study: StudyRecord, of: SearchOf, evidence: readonly Evidence[]): RateStep {
  const { objective, durationMs } = study.spec;
  const own = evidence.filter(({ network, workload }) => network === of.network && workload === of.workload);
  const searched = own.filter((slice) => slice.searched);
  const closedLoopRps = study.referenceMaxRps[of.workload] ?? null;
  if (closedLoopRps === null || closedLoopRps <= 0) return none('the reference’s maximum is not known');
  if (searched.filter(({ failed }) => failed).length >= MOST_FAILURES)
    return none(`${MOST_FAILURES} of its slices failed`);
  const leastRps = objective === undefined ? 0 : leastRate(objective, durationMs);
  if (leastRps > closedLoopRps) return none(tooShort(objective, leastRps / closedLoopRps, durationMs));
  const step = nextRate(searched, {
    closedLoopRps,
    latencyLimitMs: objective?.limitMs ?? null,
    leastRps,
    known: own.filter((slice) => !slice.searched),
  });
  return step.kind === 'none' && objective !== undefined
    ? none(`${printObjective(objective)}: ${step.why}`)
    : step;
}

const none = (why: string): RateStep => ({ kind: 'none', why });

/** The rate at which a slice has as many requests as the objective's quantile needs. */
const leastRate = ({ latency }: Objective, durationMs: number): number =>
  latency === 'max' ? 0 : (SPARE * samplesNeeded(QUANTILES[latency])) / (durationMs / 1000);

const tooShort = (objective: Objective | undefined, times: number, durationMs: number): string =>
  `${objective === undefined ? 'it' : printObjective(objective)} needs longer slices: --duration ${Math.ceil((times * durationMs) / 1000)}s or more`;
