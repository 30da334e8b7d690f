import { printRate, type Cell, type Estimate, type SliceFigures, type Summary } from '../schema/index.js';
import { keptProfiles } from './knob-effects.js';

/** Files that other programs read, by name. */
export const renderExports = (
  summary: Summary,
  slices: readonly SliceFigures[],
): readonly { readonly name: string; readonly content: string }[] => [
  { name: 'benchstat.txt', content: renderBenchstat(summary, slices) },
  { name: 'bencher.json', content: json(renderBencher(summary)) },
  { name: 'otava.json', content: json([renderOtava(summary)]) },
  ...keptProfiles(summary),
];

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** A share of the reference's maximum is the same in studies of different machines. */
const rateName = ({ rateRps, rateOfMax }: Pick<Cell, 'rateRps' | 'rateOfMax'>): string =>
  printRate(rateOfMax === null ? { kind: 'absolute', rps: rateRps } : { kind: 'share', ofMax: rateOfMax });

/**
 * Go's benchmark format, one line for each valid slice: `benchstat -col /network benchstat.txt` compares the networks of one
 * study, `benchstat BASE/benchstat.txt NEW/benchstat.txt` two studies.
 */
function renderBenchstat(summary: Summary, slices: readonly SliceFigures[]): string {
  const lines = slices.map((slice) => {
    const { network, workload, requests, p50Ms, p99Ms, cpuUs } = slice;
    const name = `BenchmarkStudy/workload=${workload}/rate=${rateName(slice)}/network=${network}`;
    const values = [
      ...(p50Ms === null ? [] : [`${Math.round(p50Ms * 1e6)} p50-ns`]),
      ...(p99Ms === null ? [] : [`${Math.round(p99Ms * 1e6)} p99-ns`]),
      ...(cpuUs === null ? [] : [`${Math.round(cpuUs * 1_000)} cpu-ns/req`]),
    ];
    return [name, Math.max(1, requests), ...values].join('\t');
  });
  return [
    'Unit p50-ns assume=nothing',
    'Unit p99-ns assume=nothing',
    'Unit cpu-ns/req assume=nothing',
    `study: ${summary.study}`,
    `testbed: ${summary.testbed}`,
    ...lines,
    '',
  ].join('\n');
}

/** What the exports of whole studies hold of each cell. */
function listMeasures(cell: Cell): readonly (readonly [measure: string, estimate: Estimate | undefined])[] {
  return [
    ['latency-p50-ms', cell.latencyMs.p50],
    ['latency-p99-ms', cell.latencyMs.p99],
    ['ratio-p50', cell.ratioToReference.p50],
    ['ratio-p99', cell.ratioToReference.p99],
    ['cpu-ratio', cell.cpuRatioToReference],
  ];
}

const cellsOf = (summary: Summary) =>
  summary.networks.flatMap((network) =>
    network.cells.map((cell) => ({ name: `${network.name}/${cell.workload}/${rateName(cell)}`, cell })),
  );

/** Bencher's metric format: benchmark, then measure, then a value with its interval. */
const renderBencher = (summary: Summary) =>
  Object.fromEntries(
    cellsOf(summary).flatMap(({ name, cell }) => {
      const measures = listMeasures(cell).flatMap(([measure, estimate]) => {
        if (estimate?.value == null) return [];
        const { value, low, high } = estimate;
        const ends = low === null || high === null ? {} : { lower_value: low, upper_value: high };
        return [[measure, { value, ...ends }] as const];
      });
      return measures.length === 0 ? [] : [[name, Object.fromEntries(measures)] as const];
    }),
  );

/** One entry for Otava's JSON importer: `jq -s add` joins those of several studies to a series. */
const renderOtava = (summary: Summary) => ({
  timestamp: Math.floor(Date.parse(summary.startedAt) / 1_000),
  metrics: cellsOf(summary).flatMap(({ name, cell }) =>
    listMeasures(cell).flatMap(([measure, estimate]) =>
      estimate?.value == null ? [] : [{ name: `${name}/${measure}`, value: estimate.value }],
    ),
  ),
  attributes: { study: summary.study, testbed: summary.testbed },
});
