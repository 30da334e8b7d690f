import { type Criterion, type Estimate, type NetworkSummary, type Objective } from '../schema/index.js';
import { rateGroupKey, type CellSlices } from './cells.js';
import { estimateClustered, type LogEstimate, type RoundLog } from './clustered.js';
import { estimateLogCpuRatio } from './cpu.js';
import { buildSeries, estimateLogRatio, type LogEstimateOrFinding, type Series } from './log-estimate.js';
import { denominatorIn } from './reference-ratios.js';

/** A network with what an objective may be about. */
export interface Candidate {
  readonly summary: Pick<NetworkSummary, 'name' | 'setup' | 'setupSteps' | 'maxRps'>;
  readonly cells: readonly CellSlices[];
}

/** The article's: latency at 30 to 50 % of the maximum. */
const SHARES = { from: 0.3, to: 0.5 };

/**
 * ln of the weighted geometric mean of the ratios of one network to another by the criteria of an objective: below 0 the first is
 * preferable. Latencies and CPU time are averaged over their rates and criteria in each round, so that what they share
 * cancels out; maxima and steps are added as they are.
 *
 * @returns the criterion that has no ratio, where there is one
 */
export function compareBy(
  objective: Objective,
  above: Candidate,
  below: Candidate,
): LogEstimate | { readonly unrated: Criterion } {
  const total = objective.reduce((sum, { weight }) => sum + weight, 0);
  const sampled: { readonly weight: number; readonly logs: readonly RoundLog[] }[] = [];
  let [fixed, variance] = [0, 0];
  for (const criterion of objective) {
    const { weight } = criterion;
    if (criterion.kind === 'latency' || criterion.kind === 'cpu') {
      const logs = logsByRound(criterion, above.cells, below.cells);
      if (logs.length === 0) return { unrated: criterion };
      sampled.push({ weight, logs });
      continue;
    }
    const ratio = criterion.kind === 'setup' ? stepRatio(above, below) : maximumRatio(above, below);
    if (ratio === null) return { unrated: criterion };
    fixed += (weight / total) * ratio.log;
    variance += ((weight / total) * ratio.error) ** 2;
  }
  const rounds = sumByRound(sampled, total);
  if (sampled.length > 0 && rounds.length === 0) return { unrated: objective[0]! };
  if (rounds.length === 0)
    return {
      log: fixed,
      error: Math.max(LEAST_ERROR, Math.sqrt(variance)),
      df: LARGE_DF,
      restarts: 1,
      logs: [],
    };
  const estimate = estimateClustered(rounds);
  const error = estimate.error === null ? null : Math.sqrt(estimate.error ** 2 + variance);
  return { ...estimate, log: estimate.log + fixed, error };
}

/** Steps are exact: this only keeps the statistics defined. */
const LEAST_ERROR = 1e-9;
/** The bounds of a maximum come from a search, not from a spread with degrees of freedom. */
const LARGE_DF = 1_000;
/** Half a 95 % interval over its standard error, of normal values. */
const NORMAL_HALF_WIDTH = 1.96;

/** More steps are worse. One is added to both, since the reference has none. */
function stepRatio(
  above: Candidate,
  below: Candidate,
): { readonly log: number; readonly error: number } | null {
  const [a, b] = [stepsOf(above), stepsOf(below)];
  return a === null || b === null ? null : { log: Math.log((a + 1) / (b + 1)), error: 0 };
}

/** For ten hosts; of a network that the testbed has already, none is known. */
export const stepsOf = ({ summary }: Candidate): number | null => summary.setupSteps?.hosts10 ?? null;

/** A lower maximum is worse. */
function maximumRatio(
  above: Candidate,
  below: Candidate,
): { readonly log: number; readonly error: number } | null {
  const [a, b] = [logOf(above.summary.maxRps), logOf(below.summary.maxRps)];
  return a === null || b === null
    ? null
    : { log: b.log - a.log, error: Math.sqrt(a.error ** 2 + b.error ** 2) };
}

function logOf(estimate: Estimate | null): { readonly log: number; readonly error: number } | null {
  if (estimate?.value == null || estimate.low === null || estimate.high === null) return null;
  const error = Math.log(estimate.high / estimate.low) / (2 * NORMAL_HALF_WIDTH);
  return { log: Math.log(estimate.value), error };
}

/** The cells that a criterion is about. */
export function selectCells(criterion: Criterion, cells: readonly CellSlices[]): readonly CellSlices[] {
  if (!('at' in criterion)) return [];
  const { at } = criterion;
  if (at?.kind === 'share') return cells.filter(({ rateOfMax }) => rateOfMax === at.ofMax);
  if (at?.kind === 'absolute')
    return cells.filter(({ rateOfMax, rateRps }) => rateOfMax === null && rateRps === at.rps);
  const within = cells.filter(
    ({ rateOfMax }) => rateOfMax !== null && rateOfMax >= SHARES.from && rateOfMax <= SHARES.to,
  );
  return within.length > 0 ? within : cells;
}

/** ln of the ratio in each round, averaged over the rates that both networks sustained. */
function logsByRound(
  criterion: Extract<Criterion, { kind: 'latency' | 'cpu' }>,
  above: readonly CellSlices[],
  below: readonly CellSlices[],
): readonly RoundLog[] {
  const rates = selectCells(criterion, above).flatMap((cell) => {
    const other = below.find((one) => rateGroupKey(one) === rateGroupKey(cell));
    if (other === undefined || cell.sustained === false || other.sustained === false) return [];
    const ratio = estimateRatio(criterion, cell, other);
    return 'finding' in ratio ? [] : [ratio.logs];
  });
  const rounds = new Map<string, RoundLog[]>();
  for (const one of rates.flat()) {
    const key = roundKey(one);
    rounds.set(key, [...(rounds.get(key) ?? []), one]);
  }
  return [...rounds.values()].map((own) => ({
    ...own[0]!,
    log: own.reduce((sum, { log }) => sum + log, 0) / own.length,
  }));
}

const estimateRatio = (
  criterion: Extract<Criterion, { kind: 'latency' | 'cpu' }>,
  cell: CellSlices,
  other: CellSlices,
): LogEstimateOrFinding =>
  criterion.kind === 'cpu'
    ? estimateLogCpuRatio(cell, other)
    : estimateLogRatio(seriesOf(cell), seriesOf(other), criterion.latency);

const seriesOf = (cell: CellSlices): Series => buildSeries(cell, 'response', denominatorIn(cell));

/** The weighted sum of the criteria in the rounds that all of them have. */
function sumByRound(
  sampled: readonly { readonly weight: number; readonly logs: readonly RoundLog[] }[],
  total: number,
): readonly RoundLog[] {
  const [first, ...others] = sampled.map(({ weight, logs }) => ({
    weight: weight / total,
    logs: new Map(logs.map((one) => [roundKey(one), one])),
  }));
  return [...(first?.logs ?? [])].flatMap(([key, one]): RoundLog[] => {
    const parts = others.map(({ weight, logs }) => weight * (logs.get(key)?.log ?? NaN));
    const log = parts.reduce((sum, part) => sum + part, (first?.weight ?? 0) * one.log);
    return Number.isFinite(log) ? [{ ...one, log }] : [];
  });
}

const roundKey = ({ restart, round }: RoundLog): string => `${restart}/${round}`;
