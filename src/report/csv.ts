import {
  LATENCY_KEYS,
  type Cell,
  type Estimate,
  type NetworkSummary,
  type Summary,
} from '../schema/index.js';

type Value = string | number | boolean | null;
type Fields = readonly (readonly [name: string, value: Value])[];

/**
 * All figures at full precision, one row for each network and cell, and one for a network without cells. RFC 4180: lines
 * end in CR LF, the first names the columns, and a figure that is missing is empty with its reason in the `_why` beside it.
 */
export function csvReport(summary: Summary): string {
  const rows = summary.networks.flatMap((network) =>
    (network.cells.length === 0 ? [null] : network.cells).map((cell) => fields(summary, network, cell)),
  );
  const header = fields(summary, NOTHING, null).map(([name]) => name);
  return [header, ...rows.map((row) => row.map(([, value]) => value))]
    .map((row) => `${row.map(quote).join(',')}\r\n`)
    .join('');
}

const NOTHING: NetworkSummary = {
  name: '',
  what: '',
  status: 'measured',
  reason: null,
  setup: null,
  maxRps: null,
  cells: [],
};

const quote = (value: Value): string => {
  const text = value === null ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

function fields(summary: Summary, network: NetworkSummary, cell: Cell | null): Fields {
  return [
    ['study', summary.study],
    ['testbed', summary.testbed],
    ['started_at', summary.startedAt],
    ['reference', summary.reference],
    ['network', network.name],
    ['what', network.what],
    ['status', network.status],
    ['reason', network.reason],
    ['setup_steps', network.setup?.steps ?? null],
    ['setup_ms', network.setup?.ms ?? null],
    ['setup_down_ms', network.setup?.tearDownMs ?? null],
    ['instructions_per_request', network.pathLengths?.[0]?.instructions.total ?? null],
    ...figure('max_rps', maximumOf(network, cell)),
    ...cellFields(cell),
  ];
}

/** Of the row's workload where it was searched for. */
const maximumOf = ({ maxRps, maxRpsByWorkload }: NetworkSummary, cell: Cell | null): Estimate | undefined =>
  maxRpsByWorkload?.[cell?.workload ?? ''] ?? maxRps ?? undefined;

function cellFields(cell: Cell | null): Fields {
  return [
    ['workload', cell?.workload ?? null],
    ['rate_rps', cell?.rateRps ?? null],
    ['rate_of_max', cell?.rateOfMax ?? null],
    ['achieved_rps', cell?.achievedRps ?? null],
    ['slices', cell?.slices ?? null],
    ['invalid_trials', cell?.invalidSlices ?? null],
    ['failed_trials', cell?.failedSlices ?? null],
    ['samples', cell?.samples ?? null],
    ...LATENCY_KEYS.flatMap((key) => figure(`latency_${key}_ms`, cell?.latencyMs[key])),
    ...LATENCY_KEYS.flatMap((key) => figure(`service_${key}_ms`, cell?.serviceMs[key])),
    ...LATENCY_KEYS.flatMap((key): Fields => [
      ...figure(`ratio_${key}`, cell?.ratioToReference[key]),
      [`verdict_${key}`, cell?.verdicts[key]?.verdict ?? null],
      [`blocks_needed_${key}`, cell?.verdicts[key]?.restartsNeeded ?? null],
    ]),
    ...(['client', 'server'] as const).flatMap((side) =>
      (['user', 'system', 'softirq'] as const).map(
        (kind) =>
          [`cpu_${side}_${kind}_us_per_request`, cell?.cpuUsPerRequest?.[side][kind] ?? null] as const,
      ),
    ),
    ...figure('cpu_ratio', cell?.cpuRatioToReference),
    ['certificate_valid', cell?.selfCheck.valid ?? null],
    ['certificate_reasons', cell?.selfCheck.reasons.join('; ') ?? null],
    ['tail', cell?.tail.join('; ') ?? null],
  ];
}

function figure(name: string, of: Estimate | undefined): Fields {
  const known = of === undefined || of.value === null ? null : of;
  return [
    [name, known?.value ?? null],
    [`${name}_low`, known?.low ?? null],
    [`${name}_high`, known?.high ?? null],
    [`${name}_why`, of?.value === null ? of.why : null],
  ];
}
