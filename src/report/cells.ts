import type { Cell, CpuCost, LatencyKey, NetworkSummary, Summary, Verdict } from '../schema/index.js';
import { valueOf, whole } from './number.js';

/** The quantile that decides: the order of tables, the forest plots and the verdict shown first. */
export const PRIMARY: LatencyKey = 'p99';

/** The columns of every latency table, those of the 2015 article with the median before them. */
export const TABLE_KEYS: readonly LatencyKey[] = ['p50', 'p95', 'p99', 'p99.5', 'p99.99', 'p99.999', 'max'];

export interface Row {
  readonly network: NetworkSummary;
  readonly cell: Cell;
  readonly isReference: boolean;
}

/** All networks at one workload and rate, lowest p99 first. */
export interface Situation {
  readonly workload: string;
  readonly rateRps: number;
  readonly rateOfMax: number | null;
  readonly rows: readonly Row[];
}

export function situations(summary: Summary): readonly Situation[] {
  const found = new Map<string, Row[]>();
  for (const network of summary.networks)
    for (const cell of network.cells) {
      const key = JSON.stringify([cell.workload, cell.rateRps]);
      const rows = found.get(key) ?? [];
      rows.push({ network, cell, isReference: network.name === summary.reference });
      found.set(key, rows);
    }
  return [...found.values()].map(situation).sort(byWorkloadThenRate(summary));
}

function situation(rows: readonly Row[]): Situation {
  const sorted = [...rows].sort((a, b) => order(a.cell) - order(b.cell));
  const first = sorted[0]?.cell;
  return {
    workload: first?.workload ?? '',
    rateRps: first?.rateRps ?? 0,
    rateOfMax: sorted.find(({ cell }) => cell.rateOfMax !== null)?.cell.rateOfMax ?? null,
    rows: sorted,
  };
}

/** Cells without a figure come last, not first: a finite number, because the difference of two infinities is none. */
const order = (cell: Cell): number => valueOf(cell.latencyMs[PRIMARY]) ?? Number.MAX_VALUE;

/** Workloads in the order that the study gave them, which no alphabet would give back. */
function byWorkloadThenRate(summary: Summary): (a: Situation, b: Situation) => number {
  const names = [...new Set(summary.networks.flatMap(({ cells }) => cells.map((cell) => cell.workload)))];
  return (a, b) => names.indexOf(a.workload) - names.indexOf(b.workload) || a.rateRps - b.rateRps;
}

/** `350B at 40,000 requests/s`. */
export const situationTitle = ({ workload, rateRps }: Situation): string =>
  `${workload} at ${whole(rateRps)} requests/s`;

export const unmeasured = (summary: Summary): readonly NetworkSummary[] =>
  summary.networks.filter(({ status }) => status !== 'measured');

/** One network over all situations: what a reader who wants one line looks at. */
export interface Standing {
  readonly network: NetworkSummary;
  readonly isReference: boolean;
  /** Geometric mean of the p99 ratios, null when there is none. */
  readonly meanRatio: number | null;
  readonly lowestRatio: number | null;
  readonly highestRatio: number | null;
  /** CPU time per request of both sides against the reference's: the geometric mean over the situations that have both. */
  readonly cpuRatio: number | null;
  readonly verdicts: Readonly<Record<Verdict['verdict'], number>>;
}

/** Best first by the mean ratio; networks without one after them, in the study's order. */
export function standings(summary: Summary): readonly Standing[] {
  const reference = summary.networks.find(({ name }) => name === summary.reference);
  return summary.networks
    .map((network) => standing(network, network === reference))
    .sort((a, b) => sortValue(a) - sortValue(b));
}

const sortValue = ({ isReference, meanRatio }: Standing): number =>
  isReference ? 1 : (meanRatio ?? Number.MAX_VALUE);

function standing(network: NetworkSummary, isReference: boolean): Standing {
  const ratios = network.cells.map((cell) => valueOf(cell.ratioToReference[PRIMARY])).filter(isPositive);
  const verdicts = { better: 0, worse: 0, equivalent: 0, undecided: 0 };
  for (const cell of network.cells) {
    const verdict = cell.verdicts[PRIMARY]?.verdict;
    if (verdict !== undefined) verdicts[verdict]++;
  }
  const none = ratios.length === 0;
  return {
    network,
    isReference,
    meanRatio: geometricMean(ratios),
    lowestRatio: none ? null : Math.min(...ratios),
    highestRatio: none ? null : Math.max(...ratios),
    cpuRatio: geometricMean(
      network.cells.map((cell) => valueOf(cell.cpuRatioToReference)).filter(isPositive),
    ),
    verdicts,
  };
}

const isPositive = (value: number | null): value is number => value !== null && value > 0;
const geometricMean = (values: readonly number[]): number | null =>
  values.length === 0
    ? null
    : Math.exp(values.reduce((sum, value) => sum + Math.log(value) / values.length, 0));

export const CPU_KINDS = ['user', 'system', 'softirq'] as const;
export const sideTotal = (cost: CpuCost): number => CPU_KINDS.reduce((sum, kind) => sum + cost[kind], 0);
/** CPU microseconds per request of both sides. */
export const cpuTotal = ({ cpuUsPerRequest: cost }: Cell): number | null =>
  cost === null ? null : sideTotal(cost.client) + sideTotal(cost.server);
