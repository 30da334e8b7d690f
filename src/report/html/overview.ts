import type { Summary } from '../../schema/index.js';
import { PRIMARY, situationTitle, standings, unmeasured, type Situation, type Standing } from '../cells.js';
import { remedies } from '../doubt.js';
import { Gaps } from '../gaps.js';
import { NO_FIGURE, three, whole } from '../number.js';
import { cpuRatioText, inShort, ratioRange, VERDICT_SIGN, verdictCounts, verdictLegend } from '../wording.js';
import { hasPathLengths, pathLengthLegend, pathLengthText } from '../path-length.js';
import { figureMarkup, notesMarkup, verdictMarkup, type Notes } from './figures.js';
import { html, NOTHING, type Markup } from './markup.js';
import { cell, tableMarkup, type TableCell } from './table.js';

/** What a reader who goes no further should know: who is where, how sure that is, and what could not be measured. */
export function overviewMarkup(
  summary: Summary,
  all: readonly Situation[],
  situationId: (index: number) => string,
): Markup {
  const rows = standings(summary).filter(({ network }) => network.status === 'measured');
  return html`<section aria-labelledby="overview">
    <h2 id="overview">In short</h2>
    ${lead(summary)} ${remedies(summary).map((text) => html`<p>${text}</p>`)} ${standingTable(rows, summary)}
    ${matrix(rows, all, summary, situationId)} ${missing(summary)}
  </section>`;
}

const lead = (summary: Summary): Markup =>
  html`<ul class="lead signs">
    ${inShort(summary).map(
      ({ verdict, text }) =>
        html`<li>
          <span class="sign ${verdict ?? ''}">${verdict === null ? NO_FIGURE : VERDICT_SIGN[verdict]}</span
          >${text}
        </li>`,
    )}
  </ul>`;

function standingTable(rows: readonly Standing[], summary: Summary): Markup {
  const { reference } = summary;
  const counted = hasPathLengths(summary);
  const table = tableMarkup({
    caption: `Over all workloads and rates, lowest ${PRIMARY} first`,
    full: true,
    columns: [
      { title: html`Network` },
      { title: html`${PRIMARY} against ${reference}`, left: true },
      { title: html`CPU per request against ${reference}` },
      ...(counted ? [{ title: html`Instructions` }] : []),
      { title: html`Setup steps` },
      { title: html`Setup ms` },
      { title: html`What it is`, left: true },
    ],
    rows: rows.map((row) => standingRow(row, counted)),
  });
  const legend = pathLengthLegend(summary);
  return legend === null
    ? table
    : html`${table}
        <p class="quiet">${legend}</p>`;
}

function standingRow(row: Standing, counted: boolean): readonly TableCell[] {
  const { network, isReference } = row;
  const verdicts = html`<small>${verdictCounts(row)}</small>`;
  return [
    cell(network.name),
    cell(isReference ? 'reference' : html`${ratioRange(row) || NO_FIGURE}${verdicts}`, 'left'),
    cell(isReference ? 'reference' : cpuRatioText(row)),
    ...(counted ? [cell(pathLengthText(network))] : []),
    cell(network.setup === null ? NO_FIGURE : whole(network.setup.steps)),
    cell(network.setup === null ? NO_FIGURE : three(network.setup.ms)),
    cell(network.what, 'wrap left'),
  ];
}

/** Networks against situations, each heading a way to the details. */
function matrix(
  rows: readonly Standing[],
  all: readonly Situation[],
  summary: Summary,
  situationId: (index: number) => string,
): Markup {
  const notes: Notes = { prefix: 'overview-note', gaps: new Gaps() };
  const columns = all.map((situation, index) => ({
    title: html`<a href="#${situationId(index)}"
      >${situation.workload}<br />${whole(situation.rateRps)}/s</a
    >`,
  }));
  const table = tableMarkup({
    caption: `${PRIMARY} as a ratio to ${summary.reference}, by workload and requests/s`,
    full: all.length > 3,
    columns: [{ title: html`Network` }, ...columns],
    rows: rows
      .filter(({ isReference }) => !isReference)
      .map((row) => matrixRow(row, all, summary.restarts, notes)),
  });
  return html`${table}${notesMarkup(notes)}
    <p class="quiet">${verdictLegend(summary)}</p>`;
}

const matrixRow = (
  { network }: Standing,
  all: readonly Situation[],
  restarts: number,
  notes: Notes,
): readonly TableCell[] => [
  cell(network.name),
  ...all.map((situation) => {
    const found = situation.rows.find((row) => row.network === network)?.cell;
    const title = situationTitle(situation);
    const ratio = figureMarkup(found?.ratioToReference[PRIMARY], title, network.name, notes);
    return cell(html`${ratio}${verdictMarkup(found?.verdicts[PRIMARY], restarts)}`);
  }),
];

function missing(summary: Summary): Markup {
  const items = unmeasured(summary);
  if (items.length === 0) return NOTHING;
  return html`<h3>Not measured</h3>
    <ul>
      ${items.map(
        ({ name, what, status, reason }) =>
          html`<li><strong>${name}</strong> (${what}), ${status}: ${reason ?? 'no reason was given'}</li>`,
      )}
    </ul>`;
}
