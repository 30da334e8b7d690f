import {
  LATENCY_KEYS,
  type Cell,
  type Estimate,
  type NetworkSummary,
  type Summary,
} from '../schema/index.js';
import type { Records } from './document.js';
import { describeFinding } from './wording.js';

type Value = string | number | boolean | null;
type Fields = readonly (readonly [column: string, value: Value])[];

/**
 * Every estimate at full precision: one row per network and cell, and one for a network without cells. A missing value is
 * empty, with its finding in the `_finding` column beside it.
 */
export function buildStudyRecords(summary: Summary): Records {
  const empty: NetworkSummary = {
    name: '',
    what: '',
    status: 'measured',
    finding: null,
    setup: null,
    maxRps: null,
    kneeRps: null,
    cells: [],
  };
  const rows = summary.networks.flatMap((network) =>
    (network.cells.length === 0 ? [null] : network.cells).map((cell) => listFields(summary, network, cell)),
  );
  return {
    columns: listFields(summary, empty, null).map(([column]) => column),
    rows: rows.map((row) => row.map(([, value]) => value)),
  };
}

function listFields(summary: Summary, network: NetworkSummary, cell: Cell | null): Fields {
  const maximum = network.maxRpsByWorkload?.[cell?.workload ?? ''] ?? network.maxRps ?? undefined;
  return [
    ['study', summary.study],
    ['testbed', summary.testbed],
    ['started_at', summary.startedAt],
    ['reference', summary.reference],
    ['network', network.name],
    ['what', network.what],
    ['status', network.status],
    ['finding', network.finding === null ? null : describeFinding(network.finding)],
    ['setup_steps', network.setup?.steps ?? null],
    ['setup_ms', network.setup?.ms ?? null],
    ['tear_down_ms', network.setup?.tearDownMs ?? null],
    ['instructions_per_request', network.instructions?.[0]?.instructions.total ?? null],
    ...estimateFields('max_rps', maximum),
    ['workload', cell?.workload ?? null],
    ['rate_rps', cell?.rateRps ?? null],
    ['rate_of_max', cell?.rateOfMax ?? null],
    ['achieved_rps', cell?.achievedRps ?? null],
    ['sustained', cell?.sustained ?? null],
    ['slices', cell?.slices ?? null],
    ['invalid_slices', cell?.invalidSlices ?? null],
    ['failed_slices', cell?.failedSlices ?? null],
    ['samples', cell?.samples ?? null],
    ...LATENCY_KEYS.flatMap((key) => estimateFields(`latency_${key}_ms`, cell?.latencyMs[key])),
    ...LATENCY_KEYS.flatMap((key) => estimateFields(`service_${key}_ms`, cell?.serviceMs[key])),
    ...LATENCY_KEYS.flatMap((key): Fields => [
      ...estimateFields(`ratio_${key}`, cell?.ratioToReference[key]),
      [`verdict_${key}`, cell?.verdicts[key]?.verdict ?? null],
      [`restarts_needed_${key}`, cell?.verdicts[key]?.restartsNeeded ?? null],
    ]),
    ...(['client', 'server'] as const).flatMap((side) =>
      (['user', 'system', 'softirq'] as const).map(
        (kind) =>
          [`cpu_${side}_${kind}_us_per_request`, cell?.cpuUsPerRequest?.[side][kind] ?? null] as const,
      ),
    ),
    ...estimateFields('cpu_ratio', cell?.cpuRatioToReference),
    ['limit', cell?.limit == null ? null : describeFinding(cell.limit)],
    ['self_check_valid', cell?.selfCheck.valid ?? null],
    ['self_check_findings', cell?.selfCheck.findings.map(describeFinding).join('; ') ?? null],
    ['tail', cell?.tail.map(describeFinding).join('; ') ?? null],
  ];
}

export function estimateFields(column: string, estimate: Estimate | undefined): Fields {
  const known = estimate === undefined || estimate.value === null ? null : estimate;
  return [
    [column, known?.value ?? null],
    [`${column}_low`, known?.low ?? null],
    [`${column}_high`, known?.high ?? null],
    [`${column}_finding`, estimate?.value === null ? describeFinding(estimate.finding) : null],
  ];
}
