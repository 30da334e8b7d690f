import {
  groupFindings,
  groupKey,
  LATENCY_KEYS,
  type Cell,
  type Estimate,
  type Finding,
  type NetworkSummary,
  type Summary,
  type Verdict,
} from '../schema/index.js';
import {
  count,
  countNoun,
  describeNeeded,
  estimate,
  FEW_RESTARTS,
  figure,
  heading,
  left,
  listFindings,
  MAX_RESTARTS,
  note,
  paragraph,
  right,
  text,
  VERDICT_SIGN,
  type Block,
  type Document,
  type Table,
  type TableCell,
  type TestCase,
  type VerdictLine,
} from './document.js';
import { duration, intervalText, NO_VALUE, percent, three, whole, withInterval } from './number.js';
import {
  CPU_KINDS,
  groupByRate,
  PRIMARY,
  rankNetworks,
  sumCpu,
  TABLE_KEYS,
  type Ranking,
  type RateGroup,
  type Row,
} from './rate-groups.js';
import { buildStudyRecords } from './study-records.js';
import { describeFinding } from './wording.js';

export function buildStudyDocument(summary: Summary): Document {
  const groups = groupByRate(summary);
  const names = summary.networks.map(({ name }) => name);
  return {
    title: `Barewire study ${summary.study}`,
    blocks: [
      ...overview(summary, groups, names),
      ...groups.flatMap((group) => rateGroupBlocks(group, summary, names)),
      ...setupBlocks(summary),
      ...controlBlocks(summary),
      ...(summary.generator === undefined
        ? []
        : [
            heading(`Limits of ${summary.generator.name}`),
            ...listFindings('findings', summary.generator.limits),
          ]),
      heading('What this testbed does not show'),
      ...listFindings('findings', summary.limitations),
      ...readingBlocks(summary),
      ...environmentBlocks(summary),
    ],
    records: buildStudyRecords(summary),
    cases: buildCases(summary),
  };
}

function overview(
  summary: Summary,
  groups: readonly RateGroup[],
  names: readonly string[],
): readonly Block[] {
  const rankings = rankNetworks(summary).filter(({ network }) => network.status === 'measured');
  const { reference, generator } = summary;
  const slices = `${whole(summary.slices)} of ${whole(summary.plannedSlices)} slices${summary.complete ? '' : ', incomplete'}`;
  const instructions = findInstructions(summary);
  const unmeasured = summary.networks.filter(({ status }) => status !== 'measured');
  return [
    {
      kind: 'facts',
      facts: [
        ['Testbed', `${summary.testbed}${summary.ip === undefined ? '' : ` over IPv${summary.ip}`}`],
        ['Started', summary.startedAt],
        ['Extent', `${countNoun(summary.restarts, 'restart')}, ${slices}`],
        ['Time', `${duration(summary.wallS)}, ${percent(summary.measuringShare)} of it measuring`],
        ['Reference', reference],
        ...(generator === undefined
          ? []
          : [['Load generator', `${generator.name} ${generator.version}`] as const]),
      ],
    },
    ...(generator === undefined ? [] : [paragraph(describeGenerator(generator))]),
    ...listFindings('warnings', groupFindings(summary.warnings)),
    ...(rankings.length === 0
      ? []
      : [
          heading('In short'),
          { kind: 'verdicts', items: summarizeVerdicts(rankings, reference) } as const,
          ...describeRemedies(summary).map(paragraph),
          overallTable(rankings, summary),
          ...(instructions === null ? [] : [note(instructions)]),
          note(
            `Verdicts compare the ${PRIMARY} with ${summary.reference}: ▼ better (lower), ▲ worse (higher), ` +
              `= equivalent (the interval lies within ${percent(summary.margin)}), ? undecided.`,
          ),
        ]),
    ...(groups.length < 2 || rankings.length === 0
      ? []
      : [
          {
            kind: 'details',
            title: `${PRIMARY} ratios by workload and rate`,
            blocks: [matrixTable(rankings, groups, summary)],
          } as const,
        ]),
    ...maximaPlot(summary, names),
    ...(unmeasured.length === 0
      ? []
      : [
          heading('Networks not measured'),
          {
            kind: 'list',
            items: unmeasured.map(
              ({ name, what, status, finding }) =>
                `${name} (${what}), ${status}${finding === null ? '' : `: ${describeFinding(finding)}`}`,
            ),
          } as const,
        ]),
  ];
}

/** Printed before any estimate of a load that an external generator made. */
const describeGenerator = ({ name, version, loop, timedFrom }: NonNullable<Summary['generator']>): string =>
  `A cross-check: ${name} ${version} generated the load, not Barewire's own generator. ` +
  (loop === 'closed' ? 'It takes no rate: each slice is a closed loop. ' : '') +
  (timedFrom === 'send' ? 'Its latencies are service times, from the actual send. ' : '') +
  'Its limits are listed below.';

/** The answer over all rate groups, best first. No network is called better than chance allows. */
function summarizeVerdicts(rankings: readonly Ranking[], reference: string): VerdictLine[] {
  const titles: readonly (readonly [Verdict['verdict'] | null, string])[] = [
    ['better', `${PRIMARY} better than ${reference}`],
    ['equivalent', `${PRIMARY} equivalent to ${reference}`],
    ['worse', `${PRIMARY} worse than ${reference}`],
    ['undecided', `${PRIMARY} undecided everywhere`],
    [null, `not compared with ${reference}`],
  ];
  return titles.flatMap(([verdict, title]) => {
    const members = rankings
      .filter((ranking) => !ranking.isReference && mainVerdict(ranking) === verdict)
      .map((ranking) => {
        if (verdict === null) return ranking.network.name;
        const all = Object.values(ranking.verdicts).reduce((sum, number) => sum + number, 0);
        const ratios = ratioRange(ranking);
        return `${ranking.network.name} (in ${ranking.verdicts[verdict]} of ${all}${ratios === '' ? '' : `; ${ratios}`})`;
      });
    return members.length === 0 ? [] : [{ verdict, text: `${title}: ${members.join(', ')}` }];
  });
}

/** The most frequent decided verdict; of two equally frequent ones the worse. */
function mainVerdict({ verdicts }: Ranking): Verdict['verdict'] | null {
  const decided = (['worse', 'equivalent', 'better'] as const).reduce((most, verdict) =>
    verdicts[verdict] > verdicts[most] ? verdict : most,
  );
  if (verdicts[decided] > 0) return decided;
  return verdicts.undecided > 0 ? 'undecided' : null;
}

/** `1.02× to 1.31×`. */
function ratioRange({ lowestRatio, highestRatio }: Ranking): string {
  if (lowestRatio === null || highestRatio === null) return '';
  const [low, high] = [three(lowestRatio), three(highestRatio)];
  return low === high ? `${low}×` : `${low}× to ${high}×`;
}

/** Standard errors that a 95 % interval reaches to each side, by the number of restarts: Student's t. */
const HALF_WIDTHS: Readonly<Record<number, string>> = { 2: '12.7', 3: '4.3', 4: '3.2' };

/** What would decide more: more restarts where there are few, something else where no practical number suffices. */
function describeRemedies({ restarts, margin, networks }: Summary): string[] {
  const undecided = networks
    .flatMap(({ cells }) => cells.flatMap(({ verdicts }) => verdicts[PRIMARY] ?? []))
    .filter(({ verdict }) => verdict === 'undecided');
  const halfWidth = undecided.length === 0 ? undefined : HALF_WIDTHS[restarts];
  const impractical =
    restarts >= FEW_RESTARTS && undecided.some(({ restartsNeeded }) => (restartsNeeded ?? 0) > MAX_RESTARTS);
  return [
    ...(halfWidth === undefined
      ? []
      : [
          `${countNoun(restarts, 'restart')}: a 95 % interval reaches ${halfWidth} standard errors to each side; with 6 restarts ` +
            `it reaches 2.6. Use --restarts 6 or more to decide differences of ${percent(margin)}.`,
        ]),
    ...(impractical
      ? [
          `Where over ${MAX_RESTARTS} restarts would be needed, longer slices (--duration) or a quieter machine help more.`,
        ]
      : []),
  ];
}

function overallTable(rankings: readonly Ranking[], summary: Summary): Table {
  const { reference } = summary;
  const withInstructions = findInstructions(summary) !== null;
  return {
    kind: 'table',
    caption: `Over all workloads and rates, lowest ${PRIMARY} first`,
    columns: [
      left('network'),
      left(`${PRIMARY} against ${reference}`),
      left('verdicts'),
      right(`CPU against ${reference}`),
      ...(withInstructions ? [right('instructions')] : []),
      right('setup steps'),
      right('setup ms'),
    ],
    rows: rankings.map((ranking) => {
      const { network, isReference, verdicts, cpuRatio } = ranking;
      const counts = (['better', 'equivalent', 'worse', 'undecided'] as const)
        .filter((verdict) => verdicts[verdict] > 0)
        .map((verdict) => `${verdict} in ${verdicts[verdict]}`);
      return [
        text(network.name),
        text(isReference ? 'reference' : ratioRange(ranking) || NO_VALUE, isReference ? 'dim' : 'plain'),
        text(counts.join(', ')),
        text(isReference ? 'reference' : cpuRatio === null ? NO_VALUE : `${three(cpuRatio)}×`),
        ...(withInstructions ? [text(describeInstructions(network))] : []),
        count(network.setup?.steps ?? null),
        figure(network.setup?.ms ?? null),
      ];
    }),
  };
}

function describeInstructions({ instructions = [] }: NetworkSummary): string {
  const [first] = instructions;
  if (first === undefined) return NO_VALUE;
  const ratio = first.ratio === null ? '' : ` (${first.ratio.toFixed(3)}×)`;
  return `${whole(first.instructions.total)}${ratio}`;
}

/** The legend of the instructions column; null when `barewire cost` was not run for this study. */
function findInstructions({ networks }: Summary): string | null {
  const [first] = networks.flatMap(({ instructions = [] }) => instructions);
  if (first === undefined) return null;
  return (
    `Instructions: instructions per request of client and server, counted in an emulated machine (${first.workload}, ` +
    `${countNoun(first.connections, 'connection')}, kernel ${first.kernel}). They are not times.`
  );
}

/** Networks by rate group. */
function matrixTable(rankings: readonly Ranking[], groups: readonly RateGroup[], summary: Summary): Table {
  return {
    kind: 'table',
    caption: `${PRIMARY} as a ratio to ${summary.reference}, by workload and requests/s`,
    columns: [
      left('network'),
      ...groups.map(({ workload, rateRps }) => right(`${workload} ${whole(rateRps)}/s`)),
    ],
    rows: rankings
      .filter(({ isReference }) => !isReference)
      .map(({ network }) => [
        text(network.name),
        ...groups.map(({ rows }) =>
          estimate(rows.find((row) => row.network === network)?.cell.ratioToReference[PRIMARY]),
        ),
      ]),
  };
}

function rateGroupBlocks(group: RateGroup, summary: Summary, names: readonly string[]): readonly Block[] {
  const { rows, workload, rateRps, rateOfMax } = group;
  const ofMax = rateOfMax === null ? '' : ` (${percent(rateOfMax)} of the reference's maximum)`;
  return [
    heading(`${workload} at ${whole(rateRps)} requests/s${ofMax}`),
    { kind: 'lead', text: describeExtremes(rows) },
    latencyTable(rows),
    ...describeUndecided(rows, summary).map(note),
    ...describeOpenIntervals(rows, summary).map(note),
    ...describeCells(rows).map(note),
    forestBlock(rows, summary, names),
    ...cpuBlocks(rows, names),
    {
      kind: 'plot',
      title: 'Latency by percentile',
      caption: 'Both axes are logarithmic. A line ends where its samples end.',
      plot: {
        kind: 'curves',
        names,
        curves: rows.map(({ network, cell }) => ({
          name: network.name,
          points: cell.curve,
          text: `${network.name} ${withInterval(cell.latencyMs[PRIMARY])} ms at ${PRIMARY}`,
        })),
      },
    },
    {
      kind: 'details',
      title: 'Ratios at every percentile',
      blocks: [ratioTable(rows, summary)],
    },
    { kind: 'details', title: 'Slices, samples and service time', blocks: [sliceTable(rows)] },
  ];
}

function describeExtremes(rows: readonly Row[]): string {
  const known = rows.filter(({ cell }) => cell.latencyMs[PRIMARY].value !== null);
  const [first, last] = [known[0], known.at(-1)];
  if (first === undefined || last === undefined) return `No network has a ${PRIMARY} here.`;
  const name = ({ network, isReference }: Row): string =>
    isReference ? `${network.name} (the reference)` : network.name;
  const lowest = `Lowest ${PRIMARY}: ${name(first)}, ${withInterval(first.cell.latencyMs[PRIMARY])} ms`;
  if (last === first) return `${lowest}.`;
  return `${lowest}. Highest: ${name(last)}, ${three(last.cell.latencyMs[PRIMARY].value ?? 0)} ms.`;
}

const latencyTable = (rows: readonly Row[]): Table => ({
  kind: 'table',
  caption: `Latency in ms by percentile, lowest ${PRIMARY} first`,
  columns: [
    left('latency, ms'),
    ...TABLE_KEYS.map((key) => ({ ...right(key), lowerIsBetter: true })),
    right(`${PRIMARY} ratio`),
    left('verdict'),
  ],
  rows: rows.map(({ network, cell, isReference }): TableCell[] => {
    const verdict = cell.verdicts[PRIMARY];
    return [
      text(network.name),
      ...TABLE_KEYS.map((key): TableCell => ({
        kind: 'estimate',
        estimate: cell.latencyMs[key],
        interval: 'compact',
      })),
      isReference ? text('reference', 'dim') : estimate(cell.ratioToReference[PRIMARY]),
      isReference || verdict === undefined ? text('') : { kind: 'verdict', verdict, restarts: cell.slices },
    ];
  }),
});

/** `Undecided: ipvlan (needs 14 restarts); …`. */
function describeUndecided(rows: readonly Row[], summary: Summary): string[] {
  const networks = new Map<string, string[]>();
  for (const { network, cell } of rows) {
    const verdict = cell.verdicts[PRIMARY];
    const needed = verdict === undefined ? '' : describeNeeded(verdict, summary.restarts);
    if (needed !== '') networks.set(needed, [...(networks.get(needed) ?? []), network.name]);
  }
  const items = [...networks].map(([needed, members]) => `${members.join(', ')} (${needed})`);
  return items.length === 0 ? [] : [`Undecided: ${items.join('; ')}.`];
}

/** Estimates whose interval is missing or has one end. The greatest sample never has an interval. */
function describeOpenIntervals(rows: readonly Row[], { restarts }: Summary): string[] {
  const shown = rows.flatMap(({ network, cell }) =>
    TABLE_KEYS.filter((key) => key !== 'max').map((key) => ({
      name: network.name,
      key,
      value: cell.latencyMs[key],
    })),
  );
  const list = (members: typeof shown): string => {
    const keys = new Map<string, string[]>();
    for (const { name, key, value } of members)
      keys.set(key, [...(keys.get(key) ?? []), `${name} ${intervalText(value)}`.trimEnd()]);
    return [...keys].map(([key, items]) => `${key} (${items.join(', ')})`).join(', ');
  };
  const without = shown.filter(
    ({ value }) => value.value !== null && value.low === null && value.high === null,
  );
  const open = shown.filter(
    ({ value }) => value.value !== null && (value.low === null) !== (value.high === null),
  );
  return [
    ...(without.length === 0
      ? []
      : restarts < 2
        ? ['No intervals: they need more than one restart.']
        : [`No interval, because one restart has a valid slice: ${list(without)}.`]),
    ...(open.length === 0
      ? []
      : [`One end of the interval is unknown, because too few samples lie beyond it: ${list(open)}.`]),
  ];
}

/** Findings about single cells; networks with the same kind of finding share a line. */
function describeCells(rows: readonly Row[]): string[] {
  const all = rows.flatMap(({ network, cell }) => {
    const total = cell.slices + cell.invalidSlices + cell.failedSlices;
    const share = (slices: number, what: string): string[] =>
      slices === 0 ? [] : [`${network.name}: ${whole(slices)} of ${whole(total)} slices ${what}`];
    return {
      shares: [...share(cell.invalidSlices, 'invalid'), ...share(cell.failedSlices, 'failed')],
      findings: [...cell.selfCheck.findings.flatMap(({ low, high }) => [low, high]), ...cell.tail].map(
        (finding) => ({ network: network.name, finding, tail: cell.tail.includes(finding) }),
      ),
    };
  });
  const groups = new Map<string, { networks: Set<string>; findings: Finding[]; tail: boolean }>();
  for (const { network, finding, tail } of all.flatMap(({ findings }) => findings)) {
    const key = JSON.stringify([groupKey(finding), tail]);
    const group = groups.get(key) ?? { networks: new Set(), findings: [], tail };
    group.networks.add(network);
    group.findings.push(finding);
    groups.set(key, group);
  }
  return [
    ...all.flatMap(({ shares }) => shares),
    ...[...groups.values()].flatMap(({ networks, findings, tail }) => {
      const names =
        rows.length > 2 && networks.size === rows.length ? 'all networks' : [...networks].join(', ');
      return groupFindings(findings).map(
        (group) => `${names}: ${tail ? 'tail: ' : ''}${describeFinding(group)}`,
      );
    }),
  ];
}

function forestBlock(rows: readonly Row[], summary: Summary, names: readonly string[]): Block {
  const { reference, margin } = summary;
  const one: Estimate = { value: 1, low: null, high: null };
  return {
    kind: 'plot',
    title: `${PRIMARY} against ${reference}`,
    caption: `Ratios paired within restarts, with 95 % intervals. Left of 1 is faster. Band: within ${percent(margin)}.`,
    plot: {
      kind: 'forest',
      axis: `ratio to ${reference}`,
      margin,
      names,
      rows: rows.map(({ network, cell, isReference }) => {
        const ratio = cell.ratioToReference[PRIMARY];
        const verdict = cell.verdicts[PRIMARY]?.verdict;
        const sign = verdict === undefined ? '' : ` ${VERDICT_SIGN[verdict]} ${verdict}`;
        return isReference
          ? { name: network.name, estimate: one, text: 'reference' }
          : { name: network.name, estimate: ratio, text: `${withInterval(ratio)}${sign}` };
      }),
    },
  };
}

function cpuBlocks(rows: readonly Row[], names: readonly string[]): readonly Block[] {
  const measured = rows.flatMap(({ network, cell, isReference }) =>
    cell.cpuUsPerRequest === null
      ? []
      : [{ name: network.name, cost: cell.cpuUsPerRequest, cell, isReference }],
  );
  if (measured.length === 0) return [];
  const sides = ['client user', 'sys', 'softirq', 'server user', 'sys', 'softirq'].map(right);
  return [
    heading('CPU, µs per request', 3),
    {
      kind: 'table',
      caption: 'CPU time per request of all CPUs of a side, over the recorded window',
      columns: [left('network'), right('total'), right('against reference'), ...sides],
      rows: measured.map(({ name, cost, cell, isReference }) => [
        text(name),
        figure(sumCpu(cost.client) + sumCpu(cost.server)),
        isReference ? text('reference', 'dim') : estimate(cell.cpuRatioToReference),
        ...[cost.client, cost.server].flatMap((side) => CPU_KINDS.map((kind) => figure(side[kind]))),
      ]),
    },
    {
      kind: 'plot',
      title: 'CPU time per request',
      caption: `Upper bar client, lower bar server; from left to right ${CPU_KINDS.join(', ')}.`,
      plot: {
        kind: 'bars',
        axis: 'CPU µs per request',
        parts: CPU_KINDS,
        names,
        rows: measured.map(({ name, cost, cell }) => {
          const ratio =
            cell.cpuRatioToReference?.value == null ? '' : `; ×${withInterval(cell.cpuRatioToReference)}`;
          return {
            name,
            bars: [cost.client, cost.server].map((side) => CPU_KINDS.map((kind) => Math.max(0, side[kind]))),
            text: `client ${three(sumCpu(cost.client))}, server ${three(sumCpu(cost.server))}${ratio}`,
          };
        }),
      },
    },
  ];
}

const ratioTable = (rows: readonly Row[], { reference }: Summary): Table => ({
  kind: 'table',
  caption: `Latency as a ratio to ${reference}, paired within restarts`,
  columns: [left('network'), ...LATENCY_KEYS.map(right)],
  rows: rows
    .filter(({ isReference }) => !isReference)
    .map(({ network, cell }) => [
      text(network.name),
      ...LATENCY_KEYS.map((key) => estimate(cell.ratioToReference[key])),
    ]),
});

const sliceTable = (rows: readonly Row[]): Table => ({
  kind: 'table',
  caption: 'Slices and samples; service time in ms from the actual send',
  columns: [
    left('network'),
    ...['valid', 'invalid', 'failed', 'samples', 'achieved/s'].map(right),
    ...TABLE_KEYS.map((key) => right(`service ${key}`)),
  ],
  rows: rows.map(({ network, cell }) => [
    text(network.name),
    ...[cell.slices, cell.invalidSlices, cell.failedSlices, cell.samples, cell.achievedRps].map(count),
    ...TABLE_KEYS.map((key): TableCell => ({
      kind: 'estimate',
      estimate: cell.serviceMs[key],
      interval: 'compact',
    })),
  ]),
});

/** The maxima of all networks, by workload where the study searched several. */
function maximumColumns({ networks }: Summary) {
  const none: Estimate = { value: null, finding: { code: 'maximum-missing' } };
  const workloads = [
    ...new Set(networks.flatMap(({ maxRpsByWorkload = {} }) => Object.keys(maxRpsByWorkload))),
  ];
  if (workloads.length < 2)
    return [
      { title: 'maximum requests/s', select: ({ maxRps }: NetworkSummary): Estimate => maxRps ?? none },
    ];
  return workloads.map((workload) => ({
    title: `maximum requests/s, ${workload}`,
    select: ({ maxRpsByWorkload }: NetworkSummary): Estimate => maxRpsByWorkload?.[workload] ?? none,
  }));
}

/** Without an upper end the load generator is the limit: the network may sustain more. */
const isLowerBound = (value: Estimate): boolean =>
  value.value !== null && value.low !== null && value.high === null;

function setupBlocks(summary: Summary): readonly Block[] {
  const built = summary.networks.filter(({ setup, maxRps }) => setup !== null || maxRps !== null);
  if (built.length === 0) return [];
  const maxima = maximumColumns(summary);
  const searched = built.flatMap(({ maxRpsByWorkload = {} }) => Object.values(maxRpsByWorkload));
  return [
    heading('Setup cost and maximum'),
    {
      kind: 'table',
      caption: 'Steps are changes to both hosts, as typed by hand; undoing them is not counted',
      columns: [
        left('network'),
        right('steps'),
        right('set up, ms'),
        right('tear down, ms'),
        ...maxima.map(({ title }) => right(title)),
      ],
      rows: built.map((network) => [
        text(network.name),
        count(network.setup?.steps ?? null),
        figure(network.setup?.ms ?? null),
        figure(network.setup?.tearDownMs ?? null),
        ...maxima.map(({ select }) => {
          const value = select(network);
          return isLowerBound(value) ? text(`≥ ${three(value.value ?? 0)}`) : estimate(value);
        }),
      ]),
    },
    ...(searched.length === 0
      ? []
      : [
          note(
            `The maximum is the highest rate that half of the slices sustain (99 % of it achieved${summary.objective === undefined ? '' : ` and ${summary.objective}`}), ` +
              'from a search with slices of its own, with its 95 % interval.' +
              (searched.some(isLowerBound)
                ? ' ≥: the load generator is the limit; the network may sustain more.'
                : ''),
          ),
        ]),
  ];
}

function maximaPlot({ networks, reference }: Summary, names: readonly string[]): readonly Block[] {
  const known = networks.filter(
    ({ maxRps, maxRpsByWorkload }) => maxRpsByWorkload !== undefined && maxRps?.value != null,
  );
  if (known.length < 2) return [];
  return [
    {
      kind: 'plot',
      title: 'Maximum throughput',
      caption: `The highest sustained rate of each network; ${reference} is the reference.`,
      plot: {
        kind: 'bars',
        axis: 'requests/s',
        parts: ['requests/s'],
        names,
        rows: known.map(({ name, maxRps }) => ({
          name,
          bars: [[maxRps?.value ?? 0]],
          text: `${withInterval(maxRps ?? undefined)} requests/s`,
        })),
      },
    },
  ];
}

function controlBlocks(summary: Summary): readonly Block[] {
  const { aa, trusted } = summary.control;
  const entries = Object.entries(aa);
  const missing = entries.flatMap(([key, value]) =>
    value.value === null ? [`${key}: ${describeFinding(value.finding)}`] : [],
  );
  const known = entries.filter(([, value]) => value.value !== null);
  const verdict =
    trusted === null
      ? 'Too few valid restarts to judge it.'
      : trusted
        ? `It does not differ from 1 by more than ${percent(summary.margin)} and chance.`
        : 'It differs from 1: something other than the network determines the results. Do not trust the ratios.';
  return [
    heading('A/A control'),
    paragraph(
      `The reference ${summary.reference} ran twice in each restart; the ratio of the two should be 1. ${verdict}`,
    ),
    {
      kind: 'list',
      items: [...known.map(([key, value]) => `${key}: ${withInterval(value)}`), ...missing],
    },
    ...(known.length === 0
      ? []
      : [
          {
            kind: 'plot',
            title: 'The reference against itself',
            caption: `Ratios with 95 % intervals. Band: within ${percent(summary.margin)}.`,
            plot: {
              kind: 'forest',
              axis: 'ratio of the two runs',
              margin: summary.margin,
              names: [],
              rows: known.map(([key, value]) => ({ name: key, estimate: value, text: withInterval(value) })),
            },
          } as const,
        ]),
  ];
}

const readingBlocks = ({ generator }: Summary): readonly Block[] => [
  heading('How to read this'),
  {
    kind: 'list',
    items: [
      `${generator?.timedFrom === 'send' ? 'Latencies are service times, from the actual send' : 'Latencies are response times, from the intended send'}, ` +
        'over all valid slices, with 95 % intervals. The greatest sample (max) has none: a longer run has a greater one.',
      'A ratio pairs slices of the same restart, so that what slows a whole restart cancels out.',
      'A dash is an estimate that the samples do not support; its note gives the reason.',
      'CPU time is that of all CPUs of a side, over the recorded window, per request with a response.',
    ],
  },
];

function environmentBlocks({ environment }: Summary): readonly Block[] {
  const hosts = Object.entries(environment);
  if (hosts.length === 0) return [];
  const facts = [...new Set(hosts.flatMap(([, values]) => Object.keys(values)))];
  return [
    {
      kind: 'details',
      title: 'Environment of the hosts',
      blocks: [
        {
          kind: 'table',
          caption: 'Kernel, CPU and settings of each host',
          columns: [left('fact'), ...hosts.map(([name]) => left(name))],
          rows: facts.map((name) => [
            text(name),
            ...hosts.map(([, values]): TableCell => ({
              kind: 'text',
              text: String(values[name] ?? NO_VALUE),
              wrap: true,
            })),
          ]),
        },
      ],
    },
  ];
}

/** One case per network and rate: failed without a valid slice, skipped when its p99 verdict is undecided. */
function buildCases(summary: Summary): TestCase[] {
  return summary.networks.flatMap((network): TestCase[] => {
    if (network.status !== 'measured')
      return [
        {
          suite: network.name,
          name: 'set up and measured',
          status: network.status === 'failed' ? 'failed' : 'skipped',
          message: network.finding === null ? network.status : describeFinding(network.finding),
        },
      ];
    return network.cells.map((cell) => buildCase(network.name, cell, summary));
  });
}

function buildCase(network: string, cell: Cell, { reference, restarts }: Summary): TestCase {
  const name = `${cell.workload} at ${whole(cell.rateRps)} requests/s`;
  const p99 = `${PRIMARY} ${withInterval(cell.latencyMs[PRIMARY])} ms`;
  const base = { suite: network, name };
  if (cell.slices === 0) {
    const reasons = cell.selfCheck.findings.map(describeFinding).join('; ');
    return { ...base, status: 'failed', message: reasons || 'no valid slice' };
  }
  const verdict = cell.verdicts[PRIMARY];
  if (verdict === undefined) return { ...base, status: 'passed', message: p99 };
  const ratio = `${withInterval(cell.ratioToReference[PRIMARY])} times ${reference}`;
  const needed = describeNeeded(verdict, restarts);
  return {
    ...base,
    status: verdict.verdict === 'undecided' ? 'skipped' : 'passed',
    message: `${p99}, ${ratio}: ${verdict.verdict}${needed === '' ? '' : ` (${needed})`}`,
  };
}
