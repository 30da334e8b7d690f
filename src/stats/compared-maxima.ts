import {
  findLimit,
  type ComparedMaximum,
  type Estimate,
  type FindingScope,
  type StudyRecord,
} from '../schema/index.js';
import type { SliceData } from './cells.js';
import { offerOf } from './cells.js';
import { judgeRatios } from './compared-cells.js';
import type { LogEstimate } from './clustered.js';
import type { LogEstimateOrFinding } from './log-estimate.js';
import { estimateMaxima, toEvidence, wantsMaximum } from './maximum.js';
import { findBeyondMargin } from './verdicts.js';

/** The 95 % half-width in standard errors: the interval of a maximum is normal on the log scale. */
const NORMAL = 1.959964;
/** The spread of a maximum is not estimated from restarts: it counts as known. */
const KNOWN_DF = 1000;

interface SearchedRun {
  readonly study: StudyRecord;
  readonly slices: readonly SliceData[];
}

/** Maxima in requests per second by workload and network. */
type MaximaByWorkload = ReadonlyMap<string, ReadonlyMap<string, Estimate>>;

/** The maxima that both runs searched for; none when their objectives differ. Here more is better, and `worse` is less. */
export function compareMaxima(a: SearchedRun, b: SearchedRun, margin: number): ComparedMaximum[] {
  if (JSON.stringify(findLimit(a.study.spec.objective)) !== JSON.stringify(findLimit(b.study.spec.objective)))
    return [];
  const [before, after] = [collectMaxima(a), collectMaxima(b)];
  const changes = [...before].flatMap(([workload, networks]) =>
    [...networks.keys()].flatMap((network) =>
      estimateChange(network, workload, before, after, a.study.spec.reference),
    ),
  );
  const direct = judgeRatios(
    changes.map((change) => change.direct),
    changes.map((change) => negate(change.direct)),
    margin,
  );
  const byReference = judgeRatios(
    changes.map((change) => change.byReference),
    changes.map((change) => negate(change.byReference)),
    margin,
  );
  const regressions = findBeyondMargin(
    changes.map((change) => negate(change.byReference) ?? negate(change.direct)),
    margin,
  );
  return changes.map(({ network, workload, a: base, b: now, byReference: own }, index) => ({
    ...{ network, workload, a: base, b: now },
    direct: withoutRestarts(direct[index]!),
    byReference: own && withoutRestarts(byReference[index]!),
    regression: regressions[index]!,
  }));
}

/** More slices of a search, not more restarts, would decide it. */
const withoutRestarts = ({ ratio, verdict }: ComparedMaximum['direct']): ComparedMaximum['direct'] => ({
  ratio,
  verdict: verdict && { ...verdict, restartsNeeded: null },
});

function collectMaxima({ study, slices }: SearchedRun): MaximaByWorkload {
  if (!wantsMaximum(study.spec)) return new Map();
  const evidence = slices.flatMap(
    (slice) => toEvidence(slice, findLimit(study.spec.objective), offerOf(study)) ?? [],
  );
  const found = new Map<string, Map<string, Estimate>>();
  for (const network of new Set(evidence.map((slice) => slice.network))) {
    const { maxRpsByWorkload = {} } = estimateMaxima(study, evidence, network);
    for (const [workload, estimate] of Object.entries(maxRpsByWorkload))
      found.set(workload, (found.get(workload) ?? new Map<string, Estimate>()).set(network, estimate));
  }
  return found;
}

function estimateChange(
  network: string,
  workload: string,
  before: MaximaByWorkload,
  after: MaximaByWorkload,
  reference: string,
) {
  const find = (maxima: MaximaByWorkload, name: string): Estimate | undefined =>
    maxima.get(workload)?.get(name);
  const [a, b] = [find(before, network), find(after, network)];
  if (a === undefined || b === undefined) return [];
  const direct = subtract(toLog(b, 'new'), toLog(a, 'base'));
  const [hostA, hostB] = [find(before, reference), find(after, reference)];
  const byReference =
    network === reference || hostA === undefined || hostB === undefined
      ? null
      : subtract(direct, subtract(toLog(hostB, 'reference'), toLog(hostA, 'reference')));
  return [{ network, workload, a, b, direct, byReference }];
}

/** ln of a maximum with the error that its interval shows. */
export function toLog(estimate: Estimate, scope?: FindingScope): LogEstimateOrFinding {
  const scoped = scope === undefined ? {} : { scope };
  if (estimate.value === null) return { finding: { ...estimate.finding, ...scoped } };
  const { value, low, high } = estimate;
  if (low === null || high === null || low <= 0)
    return { finding: { code: 'generator-is-limit', ...scoped } };
  const error = (Math.log(high) - Math.log(low)) / (2 * NORMAL);
  return { log: Math.log(value), error, df: KNOWN_DF, restarts: 1, logs: [] };
}

/** The difference of two independent estimates. */
export function subtract(above: LogEstimateOrFinding, below: LogEstimateOrFinding): LogEstimateOrFinding {
  if ('finding' in above) return above;
  if ('finding' in below) return below;
  const error = Math.hypot(above.error ?? 0, below.error ?? 0);
  return { ...above, log: above.log - below.log, error };
}

/** Verdicts are about quantities of which less is better. */
export const negate = (estimate: LogEstimateOrFinding | null): LogEstimate | null =>
  estimate === null || 'finding' in estimate ? null : { ...estimate, log: -estimate.log };
