import {
  COMPARED_KEYS,
  refusalTexts,
  type Change,
  type ComparedCell,
  type ComparedFigure,
  type ComparedKey,
  type ComparedMaximum,
  type ComparedRun,
  type Comparison,
  type JudgedRatio,
} from '../schema/index.js';
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
import { Gaps } from './gaps.js';
import { figureText, NO_FIGURE, percent, whole, withInterval, withoutInterval } from './number.js';
import { count, VERDICT_SIGN } from './wording.js';

/** Shown of every cell; of the others only what became worse beyond the margin. All are in the JSON. */
const SHOWN: readonly ComparedKey[] = ['p50', 'p99', 'cpu'];

/** A comparison of two runs: what differs between their hosts and settings before any figure. */
export function comparisonOutline(comparison: Comparison): readonly Block[] {
  const { a, b, warnings } = comparison;
  return [
    { kind: 'title', text: `Barewire compare ${nameOf(a)} with ${nameOf(b)}` },
    ...list('list', [`base: ${runText(a)}`, `new: ${runText(b)}`]),
    ...differences([...comparison.environment, ...comparison.spec]),
    ...list('warnings', warnings),
    ...inShort(comparison),
    ...loads(comparison.cells).flatMap(loadBlocks),
    ...maximumBlocks(comparison.maxima),
    ...lone('Only in the base', comparison.onlyA),
    ...lone('Only in the new run', comparison.onlyB),
    ...refusals(comparison),
    ...legend(comparison),
  ];
}

const nameOf = ({ directory, study }: ComparedRun): string => directory ?? study;

const runText = ({ directory, study, testbed, startedAt, version, restarts }: ComparedRun): string =>
  `${directory === undefined ? '' : `${directory}, `}study ${study} on ${testbed}, ${startedAt}, ` +
  `${count(restarts, 'restart')}, Barewire ${version}`;

function differences(changes: readonly Change[]): readonly Block[] {
  const heading: Block = { kind: 'heading', text: 'What differs between the runs' };
  if (changes.length === 0)
    return [heading, paragraph('Neither hosts nor settings, as far as Barewire looks.')];
  const rows = changes.map(({ host, name, a, b }) =>
    [`${host ?? 'study'}: ${name}`, String(a ?? NO_FIGURE), String(b ?? NO_FIGURE)].map(plain),
  );
  return [heading, { kind: 'table', columns: [left('what'), left('base'), left('new')], rows }];
}

interface Named {
  readonly cell: ComparedCell;
  readonly key: ComparedKey;
  readonly figure: ComparedFigure;
}

const figuresOf = (cell: ComparedCell): readonly Named[] =>
  COMPARED_KEYS.map((key) => ({ cell, key, figure: cell.figures[key] }));

/** The ratio that decides: by the reference where there is one, as what the machines became is in the other. */
const deciding = ({ direct, byReference }: ComparedFigure): JudgedRatio =>
  byReference?.ratio.value == null ? direct : byReference;

function inShort({ cells, maxima, margin }: Comparison): readonly Block[] {
  const all = cells.flatMap(figuresOf);
  const regressions = [
    ...all.filter(({ figure }) => figure.regression).map((one) => regressionText(one, margin)),
    ...maxima.filter(({ regression }) => regression).map((one) => lowerText(one, margin)),
  ];
  const figures = [...all.map(({ figure }) => figure), ...maxima];
  const judged = figures.flatMap((figure) => deciding(figure).verdict?.verdict ?? []);
  const of = (verdict: string): number => judged.filter((one) => one === verdict).length;
  const counts = (['better', 'equivalent', 'worse', 'undecided'] as const).map(
    (verdict) => `${whole(of(verdict))} ${verdict}`,
  );
  return [
    { kind: 'heading', text: 'In short' },
    regressions.length === 0
      ? paragraph(of('undecided') === judged.length ? RULED_OUT : noRegression(margin))
      : { kind: 'warnings', items: regressions },
    paragraph(
      `Of ${count(judged.length, 'figure')}: ${counts.join(', ')}.${of('undecided') === 0 ? '' : UNDECIDED}`,
    ),
  ];
}

const noRegression = (margin: number): string =>
  `No regression: no figure is worse by more than ${percent(margin)} beyond chance.`;
const RULED_OUT = 'No regression is shown, and none is ruled out: nothing could be decided.';
const UNDECIDED =
  ' Undecided is not equal: more restarts (--restarts 10) or longer slices in both runs would decide more.';

function regressionText({ cell, key, figure }: Named, margin: number): string {
  const { ratio } = deciding(figure);
  return `Regression: ${cellName(cell)}: ${keyName(key)} is ${withInterval(ratio)} times the base's, beyond ${percent(margin)}.`;
}

const lowerText = (maximum: ComparedMaximum, margin: number): string =>
  `Regression: ${maximum.network}, ${maximum.workload}: the maximum is ${withInterval(deciding(maximum).ratio)} times the base's, ` +
  `beyond ${percent(margin)}.`;

type Load = Pick<ComparedCell, 'workload' | 'rateRps' | 'rateOfMax'>;

const loadName = ({ workload, rateRps: { a, b }, rateOfMax }: Load): string =>
  `${workload} at ${a === b ? whole(a) : `${whole(a)} and ${whole(b)}`} requests/s` +
  (rateOfMax === null ? '' : ` (${percent(rateOfMax)} of the maximum)`);

const cellName = (cell: Load & { readonly network: string }): string => `${cell.network}, ${loadName(cell)}`;

/** The cells of one load together, in their order. */
function loads(cells: readonly ComparedCell[]): readonly (readonly ComparedCell[])[] {
  const found = new Map<string, ComparedCell[]>();
  for (const cell of cells) found.set(loadName(cell), [...(found.get(loadName(cell)) ?? []), cell]);
  return [...found.values()];
}

const keyName = (key: ComparedKey): string => (key === 'cpu' ? 'CPU per request' : key);

function loadBlocks(cells: readonly ComparedCell[]): readonly Block[] {
  const gaps = new Gaps();
  const shown = cells
    .flatMap(figuresOf)
    .filter(({ key, figure }) => SHOWN.includes(key) || figure.regression);
  const columns = [
    left('figure'),
    ...['base', 'new', 'new/base', 'by the reference'].map(right),
    left('verdict'),
  ];
  const rows = shown.map((one) => figureRow(one, gaps));
  return [
    ...cells.slice(0, 1).map((cell): Block => ({ kind: 'heading', text: loadName(cell) })),
    { kind: 'table', columns, rows },
    ...notes(gaps),
    ...(shown.some(({ figure }) => withoutInterval(deciding(figure).ratio)) ? [note(ONE_BLOCK)] : []),
  ];
}

const ONE_BLOCK =
  'A ratio without an interval: one of the runs has a single restart with a valid slice there, and chance cannot be told from one.';

function figureRow({ cell, key, figure }: Named, gaps: Gaps): readonly Text[] {
  const { a, b, direct, byReference } = figure;
  const unit = key === 'cpu' ? 'CPU, µs' : `${key}, ms`;
  const shown = (text: string, of: typeof a, name: string): Text =>
    plain(text + pointer(gaps.note(of, name, cell.network)));
  return [
    plain(`${cell.network} ${unit}`),
    shown(figureText(a), a, keyName(key)),
    shown(figureText(b), b, keyName(key)),
    shown(withInterval(direct.ratio), direct.ratio, `${keyName(key)} ratio`),
    byReference === null
      ? plain('')
      : shown(withInterval(byReference.ratio), byReference.ratio, `${keyName(key)} ratio`),
    verdictText(figure),
  ];
}

function verdictText(figure: ComparedFigure, sign = VERDICT_SIGN): Text {
  const { verdict } = deciding(figure);
  if (figure.regression) return { text: `${sign.worse} regression`, tone: 'bad' };
  if (verdict === null) return plain('');
  return { text: `${sign[verdict.verdict]} ${verdict.verdict}`, tone: TONES[verdict.verdict] };
}

/** Of a maximum more is better. */
const TURNED_SIGN = { ...VERDICT_SIGN, better: VERDICT_SIGN.worse, worse: VERDICT_SIGN.better };

function maximumBlocks(maxima: readonly ComparedMaximum[]): readonly Block[] {
  if (maxima.length === 0) return [];
  const gaps = new Gaps();
  const columns = [
    left('network'),
    ...['base', 'new', 'new/base', 'by the reference'].map(right),
    left('verdict'),
  ];
  const rows = maxima.map((maximum) => {
    const { network, workload, a, b, direct, byReference } = maximum;
    const ratio = (of: JudgedRatio): string =>
      withInterval(of.ratio) + pointer(gaps.note(of.ratio, 'ratio', network));
    const shown = [
      withInterval(a),
      withInterval(b),
      ratio(direct),
      byReference === null ? '' : ratio(byReference),
    ];
    return [plain(`${network} ${workload}`), ...shown.map(plain), verdictText(maximum, TURNED_SIGN)];
  });
  const heading: Block = { kind: 'heading', text: 'Maximum, requests/s: more is better' };
  return [heading, { kind: 'table', columns, rows }, ...notes(gaps)];
}

function lone(title: string, cells: Comparison['onlyA']): readonly Block[] {
  if (cells.length === 0) return [];
  const items = cells.map(({ rateRps, ...cell }) =>
    cellName({ ...cell, rateRps: { a: rateRps, b: rateRps } }),
  );
  return [{ kind: 'heading', text: title }, ...list('list', items)];
}

function refusals({ a, b }: Comparison): readonly Block[] {
  const items = [a, b].flatMap((run) => refusalTexts(run.refused).map((text) => `${nameOf(run)}: ${text}`));
  return items.length === 0
    ? []
    : [{ kind: 'heading', text: 'Refused, and counted in nothing' }, ...list('list', items)];
}

const legend = ({ margin }: Comparison): readonly Block[] => [
  { kind: 'heading', text: 'How to read this' },
  note(
    'new/base is the ratio of the figures themselves; by the reference, that of their ratios to the reference in their own ' +
      'restarts, which is what the network alone became, and decides where there is one. With 95 % intervals.',
  ),
  note(
    `▼ better (lower), ▲ worse (higher), = equivalent: within ${percent(margin)}, ? undecided. A regression is worse by more than ` +
      `${percent(margin)} beyond chance, with the correction for how many figures are compared. All percentiles are in the output of --json.`,
  ),
];
