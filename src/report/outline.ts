import type { LatencyKey, NetworkSummary, Summary } from '../schema/index.js';
import {
  CPU_KINDS,
  cpuTotal,
  PRIMARY,
  situations,
  situationTitle,
  standings,
  TABLE_KEYS,
  unmeasured,
  type Row,
  type Situation,
  type Standing,
} from './cells.js';
import {
  left,
  list,
  note,
  notes,
  paragraph,
  plain,
  pointer,
  right,
  TONES,
  type Block,
  type Text,
} from './blocks.js';
import { doubts, remedies } from './doubt.js';
import { Gaps } from './gaps.js';
import { maximumColumns, maximumLegend, maximumText, type MaximumColumn } from './maxima.js';
import { hasPathLengths, pathLengthLegend, pathLengthText } from './path-length.js';
import { figureText, NO_FIGURE, percent, three, whole, withInterval } from './number.js';
import {
  cellNotes,
  controlText,
  cpuRatioText,
  extent,
  headline,
  inShort,
  cannotSayTitle,
  latencyLegend,
  loadedBy,
  ratioRange,
  verdictLegend,
  VERDICT_SIGN,
  verdictCounts,
} from './wording.js';

export function outline(summary: Summary): readonly Block[] {
  return [
    { kind: 'title', text: `Barewire study ${summary.study}` },
    {
      kind: 'paragraph',
      text: `Testbed ${summary.testbed}${summary.ip === undefined ? '' : ` over IPv${summary.ip}`}, ${summary.startedAt}: ${extent(summary)}.`,
    },
    ...generatorNotice(summary),
    ...list('warnings', summary.warnings),
    ...overall(summary),
    ...situations(summary).flatMap((situation) => situationBlocks(situation, summary)),
    ...setup(summary),
    ...notMeasured(summary),
    ...control(summary),
    ...cannotSay(summary),
    { kind: 'heading', text: 'What this testbed cannot tell' },
    ...list('list', summary.limitations),
  ];
}

function generatorNotice(summary: Summary): readonly Block[] {
  const notice = loadedBy(summary);
  return notice === null ? [] : [paragraph(notice)];
}

const cannotSay = ({ generator }: Summary): readonly Block[] =>
  generator === undefined
    ? []
    : [{ kind: 'heading', text: cannotSayTitle(generator) }, ...list('list', generator.cannotSay)];

function overall(summary: Summary): readonly Block[] {
  const rows = standings(summary).filter(({ network }) => network.status === 'measured');
  if (rows.length === 0) return [];
  const { reference } = summary;
  const legend = pathLengthLegend(summary);
  return [
    { kind: 'heading', text: 'In short' },
    ...list(
      'list',
      inShort(summary).map(({ text }) => text),
    ),
    ...remedies(summary).map(paragraph),
    {
      kind: 'table',
      columns: [
        left('network'),
        left(`${PRIMARY} against ${reference}`),
        left('verdicts'),
        right(`CPU against ${reference}`),
        ...(hasPathLengths(summary) ? [right('instructions')] : []),
        right('setup steps'),
      ],
      rows: rows.map((row) => overallRow(row, summary)),
    },
    ...(legend === null ? [] : [note(legend)]),
  ];
}

const overallRow = (row: Standing, summary: Summary): readonly Text[] =>
  [
    row.network.name,
    row.isReference ? 'reference' : ratioRange(row) || NO_FIGURE,
    verdictCounts(row),
    row.isReference ? 'reference' : cpuRatioText(row),
    ...(hasPathLengths(summary) ? [pathLengthText(row.network)] : []),
    row.network.setup === null ? NO_FIGURE : whole(row.network.setup.steps),
  ].map(plain);

function situationBlocks(situation: Situation, summary: Summary): readonly Block[] {
  const gaps = new Gaps();
  const latency = latencyTable(situation, gaps);
  return [
    { kind: 'heading', text: `${situationTitle(situation)}${ofMax(situation)}` },
    paragraph(headline(situation)),
    latency,
    ...notes(gaps),
    ...doubts(situation, summary).map(note),
    ...cellNotes(situation).map(note),
    ...cpuTable(situation),
  ];
}

const ofMax = ({ rateOfMax }: Situation): string =>
  rateOfMax === null ? '' : ` (${percent(rateOfMax)} of the reference's maximum)`;

function latencyTable({ rows }: Situation, gaps: Gaps): Block {
  const columns = [
    left('latency, ms'),
    ...TABLE_KEYS.map((key) => right(key)),
    right(`${PRIMARY} ratio`),
    left('verdict'),
  ];
  return { kind: 'table', columns, rows: rows.map((row) => latencyRow(row, gaps)) };
}

function latencyRow(row: Row, gaps: Gaps): readonly Text[] {
  const { network, cell } = row;
  const latency = (key: LatencyKey): Text => {
    const figure = cell.latencyMs[key];
    return plain(figureText(figure) + pointer(gaps.note(figure, key, network.name)));
  };
  return [plain(network.name), ...TABLE_KEYS.map(latency), ratioCell(row, gaps), verdictCell(row)];
}

function ratioCell({ network, cell, isReference }: Row, gaps: Gaps): Text {
  if (isReference) return { text: 'reference', tone: 'dim' };
  const ratio = cell.ratioToReference[PRIMARY];
  return plain(withInterval(ratio) + pointer(gaps.note(ratio, `${PRIMARY} ratio`, network.name)));
}

function verdictCell({ cell, isReference }: Row): Text {
  const verdict = cell.verdicts[PRIMARY];
  if (isReference || verdict === undefined) return plain('');
  return { text: `${VERDICT_SIGN[verdict.verdict]} ${verdict.verdict}`, tone: TONES[verdict.verdict] };
}

function cpuTable({ rows }: Situation): readonly Block[] {
  const measured = rows.filter(({ cell }) => cell.cpuUsPerRequest !== null);
  if (measured.length === 0) return [];
  const sides = ['client user', 'sys', 'softirq', 'server user', 'sys', 'softirq'].map(right);
  return [
    { kind: 'subheading', text: 'CPU, µs per request' },
    {
      kind: 'table',
      columns: [left('network'), right('total'), right('against reference'), ...sides],
      rows: measured.map(cpuRow),
    },
  ];
}

function cpuRow({ network, cell, isReference }: Row): readonly Text[] {
  const cost = cell.cpuUsPerRequest;
  if (cost === null) return [plain(network.name)];
  const parts = [cost.client, cost.server].flatMap((side) => CPU_KINDS.map((kind) => side[kind]));
  const ratio = isReference ? 'reference' : withInterval(cell.cpuRatioToReference);
  return [network.name, three(cpuTotal(cell) ?? 0), ratio, ...parts.map(three)].map(plain);
}

function setup(summary: Summary): readonly Block[] {
  const built = summary.networks.filter((network) => network.setup !== null);
  const gaps = new Gaps();
  if (built.length === 0) return [];
  const maxima = maximumColumns(summary);
  const legend = maximumLegend(summary);
  const rows = built.map((network) => setupRow(network, maxima, gaps));
  return [
    { kind: 'heading', text: 'Setup cost and maximum' },
    {
      kind: 'table',
      columns: [
        left('network'),
        right('steps'),
        right('up ms'),
        right('down ms'),
        ...maxima.map(({ title }) => right(title)),
      ],
      rows,
    },
    ...notes(gaps),
    ...(legend === null ? [] : [note(legend)]),
  ];
}

function setupRow(network: NetworkSummary, maxima: readonly MaximumColumn[], gaps: Gaps): readonly Text[] {
  const cost = network.setup;
  if (cost === null) return [plain(network.name)];
  const found = maxima.map(({ of, title }) => {
    const key = maxima.length === 1 ? 'maximum' : title;
    return maximumText(of(network)) + pointer(gaps.note(of(network), key, network.name));
  });
  return [network.name, whole(cost.steps), three(cost.ms), three(cost.tearDownMs), ...found].map(plain);
}

function notMeasured(summary: Summary): readonly Block[] {
  const items = unmeasured(summary).map(
    ({ name, status, reason }) => `${name} (${status}): ${reason ?? 'no reason was given'}`,
  );
  return items.length === 0
    ? []
    : [
        { kind: 'heading', text: 'Networks not measured' },
        { kind: 'list', items },
      ];
}

function control(summary: Summary): readonly Block[] {
  const ratios = Object.entries(summary.control.aa).map(([key, figure]) =>
    figure.value === null ? `${key}: ${NO_FIGURE}, ${figure.why}` : `${key}: ${withInterval(figure)}`,
  );
  return [
    { kind: 'heading', text: 'A/A control' },
    paragraph(controlText(summary)),
    ...list('list', ratios),
    note(latencyLegend(summary)),
    note(verdictLegend(summary)),
  ];
}
