import type { Cell, CpuCost, LatencyKey, NetworkSummary, Summary, Verdict } from '../schema/index.js';

/** The quantile that decides: the order of tables, the forest plots and the verdict shown first. */
export const PRIMARY: LatencyKey = 'p99';

/** What a slice supports: typical latencies. */
export const TYPICAL_KEYS: readonly LatencyKey[] = ['p50', 'p95', 'p99'];
/** The tail, which only all samples together support: the columns of the 2015 study. */
export const POOLED_KEYS: readonly LatencyKey[] = ['p99', 'p99.5', 'p99.9', 'p99.99', 'p99.999', 'max'];

export interface Row {
  readonly network: NetworkSummary;
  readonly cell: Cell;
  readonly isReference: boolean;
}

/** All networks at one workload and rate, lowest p99 first. */
export interface RateGroup {
  readonly workload: string;
  readonly rateRps: number;
  readonly rateOfMax: number | null;
  readonly rows: readonly Row[];
}

/** In the order of the study's workloads, then by rate. */
export function groupByRate(summary: Summary): readonly RateGroup[] {
  const groups = new Map<string, Row[]>();
  for (const network of summary.networks)
    for (const cell of network.cells) {
      const key = JSON.stringify([cell.workload, cell.rateRps]);
      const row = { network, cell, isReference: network.name === summary.reference };
      groups.set(key, [...(groups.get(key) ?? []), row]);
    }
  const workloads = [...new Set(summary.networks.flatMap(({ cells }) => cells.map((cell) => cell.workload)))];
  return [...groups.values()]
    .map((members): RateGroup => {
      const rows = members.toSorted((a, b) => sortKey(a.cell) - sortKey(b.cell));
      return {
        workload: rows[0]?.cell.workload ?? '',
        rateRps: rows[0]?.cell.rateRps ?? 0,
        rateOfMax: rows.find(({ cell }) => cell.rateOfMax !== null)?.cell.rateOfMax ?? null,
        rows,
      };
    })
    .sort((a, b) => workloads.indexOf(a.workload) - workloads.indexOf(b.workload) || a.rateRps - b.rateRps);
}

/** Cells without a value come last. A finite number, because the difference of two infinities is NaN. */
const sortKey = (cell: Cell): number => cell.latencyMs[PRIMARY].value ?? Number.MAX_VALUE;

/** One network over all rate groups. */
export interface Ranking {
  readonly network: NetworkSummary;
  readonly isReference: boolean;
  /** Geometric mean of the p99 ratios; null when there is none. */
  readonly meanRatio: number | null;
  readonly lowestRatio: number | null;
  readonly highestRatio: number | null;
  /** Geometric mean of the CPU ratios of both sides; null when there is none. */
  readonly cpuRatio: number | null;
  readonly verdicts: Readonly<Record<Verdict['verdict'], number>>;
}

/** Best first by the mean ratio; networks without one last, in the study's order. */
export function rankNetworks(summary: Summary): readonly Ranking[] {
  const sortValue = ({ isReference, meanRatio }: Ranking): number =>
    isReference ? 1 : (meanRatio ?? Number.MAX_VALUE);
  return summary.networks
    .map((network): Ranking => {
      const ratios = network.cells.map((cell) => cell.ratioToReference[PRIMARY]?.value).filter(isPositive);
      const verdicts = { better: 0, worse: 0, equivalent: 0, undecided: 0 };
      for (const cell of network.cells) {
        const verdict = cell.verdicts[PRIMARY]?.verdict;
        if (verdict !== undefined) verdicts[verdict]++;
      }
      return {
        network,
        isReference: network.name === summary.reference,
        meanRatio: geometricMean(ratios),
        lowestRatio: ratios.length === 0 ? null : Math.min(...ratios),
        highestRatio: ratios.length === 0 ? null : Math.max(...ratios),
        cpuRatio: geometricMean(
          network.cells.map((cell) => cell.cpuRatioToReference?.value).filter(isPositive),
        ),
        verdicts,
      };
    })
    .sort((a, b) => sortValue(a) - sortValue(b));
}

const isPositive = (value: number | null | undefined): value is number =>
  value !== null && value !== undefined && value > 0;
const geometricMean = (values: readonly number[]): number | null =>
  values.length === 0
    ? null
    : Math.exp(values.reduce((sum, value) => sum + Math.log(value) / values.length, 0));

export const CPU_KINDS = ['user', 'system', 'softirq'] as const;
export const sumCpu = (cost: CpuCost): number => CPU_KINDS.reduce((sum, kind) => sum + cost[kind], 0);
