import {
  groupFindings,
  groupKey,
  LATENCY_KEYS,
  type Cell,
  type Estimate,
  type Finding,
  type Summary,
} from '../schema/index.js';
import { cpuBlocks } from './cpu-blocks.js';
import {
  caveatNotes,
  count,
  describeNeeded,
  estimate,
  heading,
  left,
  note,
  right,
  text,
  VERDICT_SIGN,
  VERDICT_TONE,
  type Block,
  type Table,
  type TableCell,
} from './document.js';
import { intervalText, percent, three, whole, withInterval } from './number.js';
import { POOLED_KEYS, PRIMARY, TYPICAL_KEYS, type RateGroup, type Row } from './rate-groups.js';
import { describeFinding } from './wording.js';

export function rateGroupBlocks(
  group: RateGroup,
  summary: Summary,
  names: readonly string[],
): readonly Block[] {
  const { rows, workload, rateRps, rateOfMax } = group;
  const ofMax = rateOfMax === null ? '' : ` (${percent(rateOfMax)} of the reference's maximum)`;
  return [
    heading(`${workload} at ${whole(rateRps)} requests/s${ofMax}`),
    { kind: 'lead', text: describeExtremes(rows) },
    latencyTable(rows),
    pooledTable(rows),
    ...caveatNotes(rows.map(({ network }) => network)),
    ...describeUndecided(rows, summary).map(note),
    ...describeOpenIntervals(rows).map(note),
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
  caption: `Typical latency in ms (median over slices), lowest ${PRIMARY} first, and ratios to the reference`,
  columns: [
    left('latency, ms'),
    ...TYPICAL_KEYS.map((key) => ({ ...right(key), lowerIsBetter: true })),
    right('p50 ratio'),
    right(`${PRIMARY} ratio`),
    left('verdict'),
  ],
  rows: rows.map(({ network, cell, isReference }): TableCell[] => {
    const verdict = cell.verdicts[PRIMARY];
    return [
      text(network.name),
      ...TYPICAL_KEYS.map((key): TableCell => ({
        kind: 'estimate',
        estimate: cell.latencyMs[key],
        interval: 'compact',
      })),
      isReference ? text('reference', 'dim') : medianRatio(cell),
      isReference ? text('reference', 'dim') : estimate(cell.ratioToReference[PRIMARY]),
      isReference || verdict === undefined ? text('') : { kind: 'verdict', verdict, restarts: cell.slices },
    ];
  }),
});

/** The ratio of the p50 with the sign of its verdict. */
function medianRatio({ ratioToReference, verdicts }: Cell): TableCell {
  const ratio = ratioToReference.p50;
  const { verdict } = verdicts.p50 ?? {};
  if (ratio === undefined || ratio.value === null || verdict === undefined) return estimate(ratio);
  return text(`${withInterval(ratio)} ${VERDICT_SIGN[verdict]}`, VERDICT_TONE[verdict]);
}

const pooledTable = (rows: readonly Row[]): Table => ({
  kind: 'table',
  caption: 'Pooled latency in ms: of all samples together, stalls included',
  columns: [left('pooled, ms'), ...POOLED_KEYS.map((key) => ({ ...right(key), lowerIsBetter: true }))],
  rows: rows.map(({ network, cell }) => [
    text(network.name),
    ...POOLED_KEYS.map((key): TableCell => ({
      kind: 'estimate',
      estimate: cell.pooledMs[key],
      interval: 'compact',
    })),
  ]),
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
function describeOpenIntervals(rows: readonly Row[]): string[] {
  const shown = rows.flatMap(({ network, cell }) =>
    POOLED_KEYS.filter((key) => key !== 'max').map((key) => ({
      name: network.name,
      key,
      value: cell.pooledMs[key],
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
      : rows.every(({ cell }) => cell.slices < 3)
        ? ['No intervals: they need more than one round.']
        : [`No interval, because one round has a valid slice: ${list(without)}.`]),
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
      findings: [
        ...(cell.limit === null ? [] : [cell.limit]),
        ...cell.selfCheck.findings.flatMap(({ low, high }) => [low, high]),
        ...cell.tail,
      ].map((finding) => ({ network: network.name, finding, tail: cell.tail.includes(finding) })),
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
  const { reference, tailMargin: margin } = summary;
  const one: Estimate = { value: 1, low: null, high: null };
  return {
    kind: 'plot',
    title: `${PRIMARY} against ${reference}`,
    caption: `Ratios paired within rounds, with 95 % intervals. Left of 1 is faster. Band: within ${percent(margin)}.`,
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

const ratioTable = (rows: readonly Row[], { reference }: Summary): Table => ({
  kind: 'table',
  caption: `Latency as a ratio to ${reference}, paired within rounds`,
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
    ...TYPICAL_KEYS.map((key) => right(`service ${key}`)),
  ],
  rows: rows.map(({ network, cell }) => [
    text(network.name),
    ...[cell.slices, cell.invalidSlices, cell.failedSlices, cell.samples, cell.achievedRps].map(count),
    ...TYPICAL_KEYS.map((key): TableCell => ({
      kind: 'estimate',
      estimate: cell.serviceMs[key],
      interval: 'compact',
    })),
  ]),
});
