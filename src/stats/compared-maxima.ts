import { type ComparedMaximum, type Estimate, type StudyRecord } from '../schema/index.js';
import type { SliceData } from './cells.js';
import { toEstimate, type LogEstimate, type LogEstimateOrReason } from './estimate.js';
import { asksMaximum } from './maximum-search.js';
import { maximaOf } from './max-rate.js';
import { evidenceOf } from './rate-evidence.js';
import { REFERENCE } from './reference-ratios.js';
import { beyond, verdicts } from './verdicts.js';

/** How many standard errors the interval of a maximum reaches to each side, on the log scale. */
const NORMAL = 1.959964;
/** The spread of a maximum is not learned from restarts: it is taken for known. */
const ENDLESS = 1000;

interface SearchedRun {
  readonly study: StudyRecord;
  readonly slices: readonly SliceData[];
}

/** Maxima in requests per second by workload and network. */
type Maxima = ReadonlyMap<string, ReadonlyMap<string, Estimate>>;

interface Changed {
  readonly network: string;
  readonly workload: string;
  readonly a: Estimate;
  readonly b: Estimate;
  readonly direct: LogEstimateOrReason;
  readonly byReference: LogEstimateOrReason | null;
}

/** The maxima that both runs searched for; none where they searched for different things. */
export function comparedMaxima(a: SearchedRun, b: SearchedRun, margin: number): ComparedMaximum[] {
  if (JSON.stringify(a.study.spec.objective) !== JSON.stringify(b.study.spec.objective)) return [];
  const [before, after] = [maximaIn(a), maximaIn(b)];
  const changes = [...before].flatMap(([workload, networks]) =>
    [...networks.keys()].flatMap((network) => changeOf(network, workload, before, after)),
  );
  const [direct, byReference] = [
    judge(
      changes.map((change) => change.direct),
      margin,
    ),
    judge(
      changes.map((change) => change.byReference),
      margin,
    ),
  ];
  const regressions = beyond(changes.map(deciding), margin);
  return changes.map(({ network, workload, a, b, byReference: own }, at) => ({
    ...{ network, workload, a, b },
    direct: direct[at]!,
    byReference: own && byReference[at]!,
    regression: regressions[at]!,
  }));
}

function maximaIn({ study, slices }: SearchedRun): Maxima {
  if (!asksMaximum(study.spec)) return new Map();
  const evidence = slices.flatMap((slice) => evidenceOf(slice, study.spec.objective) ?? []);
  const maximumFor = maximaOf(study, evidence);
  const found = new Map<string, Map<string, Estimate>>();
  for (const network of new Set(evidence.map((slice) => slice.network)))
    for (const [workload, figure] of Object.entries(maximumFor(network).maxRpsByWorkload ?? {}))
      found.set(workload, (found.get(workload) ?? new Map<string, Estimate>()).set(network, figure));
  return found;
}

function changeOf(network: string, workload: string, before: Maxima, after: Maxima): Changed[] {
  const of = (maxima: Maxima, name: string): Estimate | undefined => maxima.get(workload)?.get(name);
  const [a, b] = [of(before, network), of(after, network)];
  if (a === undefined || b === undefined) return [];
  const direct = less(logOf(b, 'now'), logOf(a, 'before'));
  const [hostA, hostB] = [of(before, REFERENCE), of(after, REFERENCE)];
  const byReference =
    network === REFERENCE || hostA === undefined || hostB === undefined
      ? null
      : less(direct, less(logOf(hostB, 'of the reference now'), logOf(hostA, 'of the reference before')));
  return [{ network, workload, a, b, direct, byReference }];
}

/** ln of a maximum, with the error that its interval shows. */
function logOf(figure: Estimate, which: string): LogEstimateOrReason {
  if (figure.value === null) return { why: `the maximum ${which}: ${figure.why}` };
  const { value, low, high } = figure;
  if (low === null || high === null || low <= 0)
    return { why: `the maximum ${which} is not known: the load generator could not make more` };
  const error = (Math.log(high) - Math.log(low)) / (2 * NORMAL);
  return { log: Math.log(value), error, df: ENDLESS, restarts: 1, logs: [] };
}

/** The difference of two that were measured apart. */
function less(above: LogEstimateOrReason, below: LogEstimateOrReason): LogEstimateOrReason {
  if ('why' in above) return above;
  if ('why' in below) return below;
  const error = Math.hypot(above.error ?? 0, below.error ?? 0);
  return { ...above, log: above.log - below.log, error };
}

const known = (estimated: LogEstimateOrReason | null): LogEstimate | null =>
  estimated === null || 'why' in estimated ? null : estimated;

/** Less is worse, and verdicts are about what should be less. */
const turned = (estimate: LogEstimate | null): LogEstimate | null =>
  estimate === null ? null : { ...estimate, log: -estimate.log };

const deciding = ({ direct, byReference }: Changed): LogEstimate | null =>
  turned(known(byReference) ?? known(direct));

function judge(family: readonly (LogEstimateOrReason | null)[], margin: number): ComparedMaximum['direct'][] {
  const estimates = family.map((estimated) => turned(known(estimated)));
  const found = verdicts(
    estimates.filter((estimate) => estimate !== null),
    margin,
  );
  let next = 0;
  return family.map((estimated, at) => {
    const ratio = toEstimate(estimated ?? { why: 'not compared' }, 1);
    // More slices of a search, not more restarts, would decide it.
    return { ratio, verdict: estimates[at] == null ? null : { ...found[next++]!, restartsNeeded: null } };
  });
}
