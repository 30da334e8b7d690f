import {
  COMPARED_KEYS,
  groupFindings,
  type ComparedCell,
  type ComparedFigure,
  type ComparedKey,
  type ComparedRun,
  type Comparison,
  type JudgedRatio,
} from '../schema/index.js';
import {
  caveatNotes,
  countNoun,
  estimate,
  heading,
  left,
  listFindings,
  note,
  paragraph,
  right,
  text,
  VERDICT_SIGN,
  type Block,
  type Document,
  type Records,
  type TableCell,
  type TestCase,
} from './document.js';
import { NO_VALUE, percent, whole, withInterval } from './number.js';
import { estimateFields } from './study-records.js';
import { describeFinding } from './wording.js';

/** Shown for every cell; of the other keys only regressions. All are in the JSON and the CSV file. */
const SHOWN: readonly ComparedKey[] = ['p50', 'p99', 'cpu'];
const COLUMNS = [...['base', 'new', 'new/base', 'by the reference'].map(right), left('verdict')];

interface ComparedEntry {
  readonly cell: ComparedCell;
  readonly key: ComparedKey;
  readonly compared: ComparedFigure;
}

/** What differs between the hosts and settings of the two runs comes before any estimate. */
export function buildComparisonDocument(comparison: Comparison): Document {
  const { a, b, cells, maxima, environment, spec } = comparison;
  const changes = [...environment, ...spec];
  const rates = new Map<string, ComparedCell[]>();
  for (const cell of cells) rates.set(rateTitle(cell), [...(rates.get(rateTitle(cell)) ?? []), cell]);
  return {
    title: `Barewire compare ${runName(a)} with ${runName(b)}`,
    blocks: [
      { kind: 'list', items: [`base: ${describeRun(a)}`, `new: ${describeRun(b)}`] },
      heading('What differs between the runs'),
      ...(changes.length === 0
        ? [paragraph('No recorded fact of the hosts and no setting of the studies.')]
        : [
            {
              kind: 'table',
              caption: 'Facts of the hosts and settings of the studies',
              columns: [left('what'), left('base'), left('new')],
              rows: changes.map(({ host, name, a: before, b: after }) =>
                [`${host ?? 'study'}: ${name}`, String(before ?? NO_VALUE), String(after ?? NO_VALUE)].map(
                  (value): TableCell => ({ kind: 'text', text: value, wrap: true }),
                ),
              ),
            } as const,
          ]),
      ...listFindings('warnings', groupFindings(comparison.warnings)),
      heading('In short'),
      ...summarizeChanges(comparison),
      ...caveatNotes(comparison.caveats),
      ...[...rates.values()].flatMap(rateBlocks),
      ...(maxima.length === 0
        ? []
        : [
            heading('Maximum, requests/s: more is better'),
            {
              kind: 'table',
              caption: 'Maxima of both runs and their ratios with 95 % intervals',
              columns: [left('network'), ...COLUMNS],
              rows: maxima.map((maximum) => [
                text(`${maximum.network} ${maximum.workload}`),
                estimate(maximum.a),
                estimate(maximum.b),
                ...ratioCells(maximum, true),
              ]),
            } as const,
          ]),
      ...unpairedBlocks('Only in the base', comparison.onlyA),
      ...unpairedBlocks('Only in the new run', comparison.onlyB),
      ...[a, b].flatMap((run) =>
        run.refused.length === 0
          ? []
          : [heading(`Refused in ${runName(run)}`), ...listFindings('findings', groupFindings(run.refused))],
      ),
      ...readingBlocks(comparison),
    ],
    records: buildRecords(comparison),
    cases: buildCases(comparison),
  };
}

const runName = ({ directory, study }: ComparedRun): string => directory ?? study;

const describeRun = ({ directory, study, testbed, startedAt, version, restarts }: ComparedRun): string =>
  `${directory === undefined ? '' : `${directory}, `}study ${study} on ${testbed}, ${startedAt}, ` +
  `${countNoun(restarts, 'restart')}, Barewire ${version}`;

const listEntries = (cell: ComparedCell): readonly ComparedEntry[] =>
  COMPARED_KEYS.map((key) => ({ cell, key, compared: cell.figures[key] }));

/** The ratio that decides: by the reference where there is one, since direct ratios also show the machines. */
const decidingRatio = ({ direct, byReference }: ComparedFigure): JudgedRatio =>
  byReference?.ratio.value == null ? direct : byReference;

function summarizeChanges({ cells, maxima, margin }: Comparison): readonly Block[] {
  const entries = cells.flatMap(listEntries);
  const regressions = [
    ...entries
      .filter(({ compared }) => compared.regression)
      .map(({ cell, key, compared }) => {
        const times = withInterval(decidingRatio(compared).ratio);
        return `Regression: ${cell.network}, ${rateTitle(cell)}: ${keyTitle(key)} is ${times} times the base's (margin ${percent(margin)})`;
      }),
    ...maxima
      .filter(({ regression }) => regression)
      .map((maximum) => {
        const times = withInterval(decidingRatio(maximum).ratio);
        return `Regression: ${maximum.network}, ${maximum.workload}: the maximum is ${times} times the base's (margin ${percent(margin)})`;
      }),
  ];
  const judged = [...entries.map(({ compared }) => compared), ...maxima].flatMap(
    (compared) => decidingRatio(compared).verdict?.verdict ?? [],
  );
  const total = (verdict: string): number => judged.filter((one) => one === verdict).length;
  const counts = (['better', 'equivalent', 'worse', 'undecided'] as const).map(
    (verdict) => `${whole(total(verdict))} ${verdict}`,
  );
  const hint =
    total('undecided') === 0
      ? ''
      : ' Undecided does not mean equal: more restarts (--restarts 10) or longer slices in both runs decide more.';
  return [
    regressions.length > 0
      ? { kind: 'verdicts', items: regressions.map((item) => ({ verdict: 'worse', text: item })) }
      : paragraph(
          total('undecided') === judged.length
            ? 'No regression is shown and none is excluded: nothing could be decided.'
            : `No regression: nothing is worse by more than ${percent(margin)} and chance.`,
        ),
    paragraph(`Of ${countNoun(judged.length, 'comparison')}: ${counts.join(', ')}.${hint}`),
  ];
}

const rateTitle = ({
  workload,
  rateRps: { a, b },
  rateOfMax,
}: Pick<ComparedCell, 'workload' | 'rateRps' | 'rateOfMax'>): string =>
  `${workload} at ${a === b ? whole(a) : `${whole(a)} and ${whole(b)}`} requests/s` +
  (rateOfMax === null ? '' : ` (${percent(rateOfMax)} of the maximum)`);

const keyTitle = (key: ComparedKey): string => (key === 'cpu' ? 'CPU per request' : key);

function rateBlocks(cells: readonly ComparedCell[]): readonly Block[] {
  const [first] = cells;
  if (first === undefined) return [];
  const shown = cells
    .flatMap(listEntries)
    .filter(({ key, compared }) => SHOWN.includes(key) || compared.regression);
  const withoutInterval = shown.some(({ compared }) => {
    const { ratio } = decidingRatio(compared);
    return ratio.value !== null && ratio.low === null && ratio.high === null;
  });
  return [
    heading(rateTitle(first)),
    {
      kind: 'table',
      caption: 'Estimates of both runs and their ratios with 95 % intervals',
      columns: [left('estimate'), ...COLUMNS],
      rows: shown.map(({ cell, key, compared }) => [
        text(`${cell.network} ${key === 'cpu' ? 'CPU, µs' : `${key}, ms`}`),
        { kind: 'estimate', estimate: compared.a, interval: 'compact' },
        { kind: 'estimate', estimate: compared.b, interval: 'compact' },
        ...ratioCells(compared, false),
      ]),
    },
    ...(withoutInterval
      ? [note('A ratio without an interval: one of the runs has a single restart with a valid slice.')]
      : []),
  ];
}

function ratioCells(compared: ComparedFigure, moreIsBetter: boolean): TableCell[] {
  const { direct, byReference, regression } = compared;
  const { verdict } = decidingRatio(compared);
  return [
    estimate(direct.ratio),
    byReference === null ? text('') : estimate(byReference.ratio),
    regression
      ? text(`${moreIsBetter ? VERDICT_SIGN.better : VERDICT_SIGN.worse} regression`, 'bad')
      : verdict === null
        ? text('')
        : { kind: 'verdict', verdict, restarts: 0, moreIsBetter },
  ];
}

const unpairedBlocks = (title: string, cells: Comparison['onlyA']): readonly Block[] =>
  cells.length === 0
    ? []
    : [
        heading(title),
        {
          kind: 'list',
          items: cells.map(
            ({ network, rateRps, ...cell }) =>
              `${network}, ${rateTitle({ ...cell, rateRps: { a: rateRps, b: rateRps } })}`,
          ),
        },
      ];

const readingBlocks = ({ margin }: Comparison): readonly Block[] => [
  heading('How to read this'),
  {
    kind: 'list',
    items: [
      'new/base is the ratio of the estimates. "By the reference" is the ratio of their ratios to the reference in the same ' +
        'restarts: the change of the network alone. It decides where it exists.',
      `▼ better (lower), ▲ worse (higher), = equivalent (within ${percent(margin)}), ? undecided. A regression is worse by more ` +
        `than ${percent(margin)} and chance, corrected for the number of comparisons. --json has all percentiles.`,
    ],
  },
];

function buildRecords({ cells, maxima }: Comparison): Records {
  const rows = [
    ...cells.flatMap(listEntries).map(({ cell, key, compared }) => ({ ...cell, key, compared })),
    ...maxima.map((maximum) => ({
      ...maximum,
      rateOfMax: null,
      rateRps: { a: null, b: null },
      key: 'max_rps',
      compared: maximum,
    })),
  ].map(({ network, workload, rateOfMax, rateRps, key, compared }) => [
    ['network', network] as const,
    ['workload', workload] as const,
    ['rate_of_max', rateOfMax] as const,
    ['base_rate_rps', rateRps.a] as const,
    ['new_rate_rps', rateRps.b] as const,
    ['key', key] as const,
    ...estimateFields('base', compared.a),
    ...estimateFields('new', compared.b),
    ...estimateFields('direct_ratio', compared.direct.ratio),
    ['direct_verdict', compared.direct.verdict?.verdict ?? null] as const,
    ...estimateFields('ratio_by_reference', compared.byReference?.ratio),
    ['verdict_by_reference', compared.byReference?.verdict?.verdict ?? null] as const,
    ['regression', compared.regression] as const,
  ]);
  return {
    columns: (rows[0] ?? []).map(([column]) => column),
    rows: rows.map((row) => row.map(([, value]) => value)),
  };
}

/** One case per estimate that has a verdict: a regression fails, an undecided one is skipped. */
function buildCases({ cells, maxima, warnings }: Comparison): TestCase[] {
  const toCase = (suite: string, name: string, unit: string, compared: ComparedFigure): TestCase[] => {
    const { ratio, verdict } = decidingRatio(compared);
    if (verdict === null && !compared.regression) return [];
    const values = `base ${withInterval(compared.a)}${unit}, new ${withInterval(compared.b)}${unit}`;
    const status = compared.regression ? 'failed' : verdict?.verdict === 'undecided' ? 'skipped' : 'passed';
    const word = compared.regression ? 'regression' : (verdict?.verdict ?? '');
    return [{ suite, name, status, message: `${values}, ratio ${withInterval(ratio)}: ${word}` }];
  };
  const nothing = warnings.filter(({ code }) => code === 'nothing-in-common');
  return [
    ...nothing.map((finding): TestCase => ({
      suite: 'comparison',
      name: 'the studies have cells in common',
      status: 'failed',
      message: describeFinding(finding),
    })),
    ...cells
      .flatMap(listEntries)
      .flatMap(({ cell, key, compared }) =>
        toCase(cell.network, `${rateTitle(cell)}: ${keyTitle(key)}`, key === 'cpu' ? ' µs' : ' ms', compared),
      ),
    ...maxima.flatMap((maximum) =>
      toCase(maximum.network, `${maximum.workload}: maximum`, ' requests/s', maximum),
    ),
  ];
}
