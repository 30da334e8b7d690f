import { LATENCY_KEYS, type LatencyKey, type Summary } from '../../schema/index.js';
import {
  CPU_KINDS,
  PRIMARY,
  sideTotal,
  situationTitle,
  TABLE_KEYS,
  type Row,
  type Situation,
} from '../cells.js';
import { doubts } from '../doubt.js';
import { Gaps } from '../gaps.js';
import { NO_FIGURE, percent, three, valueOf, whole, withInterval } from '../number.js';
import { cpuPlot } from '../plot/cpu.js';
import { forestPlot, type ForestRow } from '../plot/forest.js';
import { percentilePlot } from '../plot/percentile.js';
import { styleAt, type NetworkStyle } from '../plot/style.js';
import { cellNotes, headline, VERDICT_SIGN } from '../wording.js';
import { networkLegend, plotMarkup } from './figure.js';
import { figureMarkup, notesMarkup, verdictMarkup, type Notes } from './figures.js';
import { html, NOTHING, type Markup } from './markup.js';
import { cell as td, tableMarkup, type TableCell } from './table.js';

export interface Context {
  readonly summary: Summary;
  readonly reference: string;
  readonly styles: ReadonlyMap<string, NetworkStyle>;
}

/** All about one workload at one rate: plots, the latency table, and what must be known of single figures. */
export function situationMarkup(situation: Situation, id: string, context: Context): Markup {
  const notes: Notes = { prefix: `${id}-note`, gaps: new Gaps() };
  const { summary } = context;
  const table = latencyTable(situation, summary.restarts, notes);
  const remarks = [...doubts(situation, summary), ...cellNotes(situation)];
  return html`<section aria-labelledby="${id}">
    <h2 id="${id}">${situationTitle(situation)}</h2>
    ${ofMax(situation, context.reference)}
    <p class="lead">${headline(situation)}</p>
    ${table}
    <p class="quiet">
      Bold: lowest in its column. The bar under a figure: how many times the lowest it is, empty at 1×, full
      at 3× or more. Small: 95 % interval.
    </p>
    ${notesMarkup(notes)}
    ${
      remarks.length === 0
        ? NOTHING
        : html`<ul class="notes">
            ${remarks.map((remark) => html`<li>${remark}</li>`)}
          </ul>`
    }
    <div class="pair">${forest(situation, id, context)}${cpu(situation, id, context)}</div>
    ${percentiles(situation, id, context)} ${ratioDetails(situation, id, summary)} ${cpuDetails(situation)}
    <details>
      <summary>Slices, samples and service time</summary>
      ${trialTable(situation)}
    </details>
  </section> `;
}

const ofMax = ({ rateOfMax }: Situation, reference: string): Markup =>
  rateOfMax === null
    ? NOTHING
    : html`<p class="quiet">${percent(rateOfMax)} of the maximum of ${reference}</p>`;

function latencyTable({ rows }: Situation, restarts: number, notes: Notes): Markup {
  const lowest = new Map(TABLE_KEYS.map((key) => [key, lowestOf(rows, key)]));
  return tableMarkup({
    caption: 'Latency in ms by percentile, lowest p99 first',
    full: true,
    columns: [
      { title: html`Network` },
      ...TABLE_KEYS.map((key) => ({ title: html`${key}` })),
      { title: html`Verdict`, left: true },
    ],
    rows: rows.map((row) => [
      td(row.network.name),
      ...TABLE_KEYS.map((key) => latencyCell(row, key, lowest.get(key) ?? null, notes)),
      td(verdictCell(row, restarts, notes), 'left'),
    ]),
  });
}

/** Without a ratio there is no verdict, and the dash says why. */
function verdictCell({ network, cell, isReference }: Row, restarts: number, notes: Notes): Markup {
  if (isReference) return html`reference`;
  const ratio = cell.ratioToReference[PRIMARY];
  return valueOf(ratio) === null
    ? figureMarkup(ratio, `${PRIMARY} ratio`, network.name, notes)
    : verdictMarkup(cell.verdicts[PRIMARY], restarts);
}

function lowestOf(rows: readonly Row[], key: LatencyKey): number | null {
  const values = rows.map(({ cell }) => valueOf(cell.latencyMs[key])).filter((value) => value !== null);
  return values.length === 0 ? null : Math.min(...values);
}

function latencyCell(
  { network, cell }: Row,
  key: LatencyKey,
  lowest: number | null,
  notes: Notes,
): TableCell {
  const figure = cell.latencyMs[key];
  const content = figureMarkup(figure, key, network.name, notes);
  const value = valueOf(figure);
  if (value === null || lowest === null) return td(content);
  return td(html`${content}${meter(value, lowest)}`, ...(value === lowest ? (['best'] as const) : []));
}

/** A length that reads without colour. On a logarithmic scale, so that 1.2× and 1.5× can be told apart. */
function meter(value: number, lowest: number): Markup {
  const times = lowest > 0 ? Math.log(value / lowest) / Math.log(3) : 0;
  const width = Math.round(100 * Math.min(1, Math.max(0, times)));
  return html`<span class="meter" aria-hidden="true"><i style="width:${width}%"></i></span>`;
}

function forest({ rows }: Situation, id: string, { reference, styles, summary }: Context): Markup {
  return plotMarkup(
    `${PRIMARY} against ${reference}`,
    `Paired within restarts, 95 % intervals. Left of 1 is faster. Band: within ${percent(summary.margin)}.`,
    `${id}-forest`,
    (svg, size) =>
      forestPlot(
        {
          id: svg,
          title: `${PRIMARY} as a ratio to ${reference}`,
          axisName: `ratio to ${reference}, log scale`,
          margin: summary.margin,
          rows: rows.map((row) => forestRow(row, styles)),
        },
        size,
      ),
  );
}

/** The reference stands at 1 by definition, so that the rows are those of the plot beside it. */
function forestRow({ network, cell, isReference }: Row, styles: Context['styles']): ForestRow {
  const style = styles.get(network.name) ?? styleAt(0);
  const ratio = cell.ratioToReference[PRIMARY];
  if (isReference) return { label: network.name, ratio: ONE, text: 'reference', style };
  const verdict = cell.verdicts[PRIMARY]?.verdict;
  const sign = verdict === undefined ? '' : ` ${VERDICT_SIGN[verdict]} ${verdict}`;
  const text = valueOf(ratio) === null ? `${NO_FIGURE} no ratio` : withInterval(ratio) + sign;
  return { label: network.name, ratio, text, style };
}
const ONE = { value: 1, low: null, high: null };

const cpu = (situation: Situation, id: string, { styles }: Context): Markup =>
  plotMarkup(
    'CPU time per request',
    'Upper bar client, lower bar server. Left to right: user, system, softirq.',
    `${id}-cpu`,
    (svg, size) => cpuPlot(svg, situation, styles, size),
    html`<ul class="legend">
      ${CPU_KINDS.map((kind) => html`<li><span class="swatch" style="background:var(--cpu-${kind})"></span>${kind}</li>`)}
    </ul>`,
  );

const percentiles = (situation: Situation, id: string, { styles }: Context): Markup =>
  plotMarkup(
    'Latency by percentile',
    'Both axes are logarithmic. A line ends where its samples end.',
    `${id}-curve`,
    (svg, size) => percentilePlot(svg, situation, styles, size),
    networkLegend(
      situation.rows.map(({ network }) => network.name),
      styles,
    ),
  );

function ratioDetails({ rows }: Situation, id: string, { reference, restarts }: Summary): Markup {
  const notes: Notes = { prefix: `${id}-ratio-note`, gaps: new Gaps() };
  const table = tableMarkup({
    caption: `Latency as a ratio to ${reference}, paired within restarts`,
    columns: [{ title: html`Network` }, ...LATENCY_KEYS.map((key) => ({ title: html`${key}` }))],
    rows: rows.filter((row) => !row.isReference).map((row) => ratioRow(row, restarts, notes)),
  });
  return html`<details>
    <summary>Ratios at every percentile</summary>
    ${table}${notesMarkup(notes)}
  </details>`;
}

const ratioRow = ({ network, cell }: Row, restarts: number, notes: Notes): readonly TableCell[] => [
  td(network.name),
  ...LATENCY_KEYS.map((key) => {
    const ratio = figureMarkup(cell.ratioToReference[key], key, network.name, notes);
    return td(html`${ratio}${verdictMarkup(cell.verdicts[key], restarts)}`);
  }),
];

function cpuDetails({ rows }: Situation): Markup {
  const sides = ['client', 'server'] as const;
  const costs = rows.flatMap(
    ({ network, isReference, cell: { cpuUsPerRequest: cost, cpuRatioToReference } }) =>
      cost === null
        ? []
        : [
            {
              name: network.name,
              cost,
              ratio: isReference ? 'reference' : withInterval(cpuRatioToReference),
            },
          ],
  );
  if (costs.length === 0) return html`<p class="quiet">CPU time per request: not in this summary.</p>`;
  const table = tableMarkup({
    caption: 'CPU time in µs per answered request',
    columns: [
      { title: html`Network` },
      { title: html`total` },
      { title: html`against reference` },
      ...sides.flatMap((side) => CPU_KINDS.map((kind) => ({ title: html`${side} ${kind}` }))),
    ],
    rows: costs.map(({ name, cost, ratio }) => [
      td(name),
      td(three(sideTotal(cost.client) + sideTotal(cost.server))),
      td(ratio),
      ...sides.flatMap((side) => CPU_KINDS.map((kind) => td(three(cost[side][kind])))),
    ]),
  });
  return html`<details>
    <summary>CPU time by kind</summary>
    ${table}
  </details>`;
}

const SERVICE_KEYS = ['p50', 'p99', 'p99.99', 'max'] as const;

function trialTable({ rows }: Situation): Markup {
  const notes: Notes = { prefix: 'none', gaps: new Gaps() };
  const service = ({ network, cell }: Row): readonly TableCell[] =>
    SERVICE_KEYS.map((key) => {
      const figure = cell.serviceMs[key];
      return td(
        figure.value === null
          ? html`– <small>${figure.why}</small>`
          : figureMarkup(figure, key, network.name, notes),
      );
    });
  return tableMarkup({
    caption: 'Slices, requests answered, and service time in ms (from the actual send)',
    columns: [
      'Network',
      'slices',
      'invalid',
      'failed',
      'samples',
      'achieved requests/s',
      ...SERVICE_KEYS.map((key) => `service ${key}`),
    ]
      .map((title) => ({ title: html`${title}` }))
      .concat([{ title: html`selfCheck` }]),
    rows: rows.map((row) => [
      td(row.network.name),
      ...[row.cell.slices, row.cell.invalidSlices, row.cell.failedSlices, row.cell.samples].map((number) =>
        td(whole(number)),
      ),
      td(whole(row.cell.achievedRps)),
      ...service(row),
      td(row.cell.selfCheck.valid ? 'valid' : 'not valid'),
    ]),
  });
}
