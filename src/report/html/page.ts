import type { NetworkSummary, Summary } from '../../schema/index.js';
import {
  Gaps,
  PRIMARY,
  situations,
  situationTitle,
  standings,
  unmeasured,
  type Situation,
  type Standing,
} from '../cells.js';
import { NO_FIGURE, percent, three, whole, duration } from '../number.js';
import { forestPlot } from '../plot/forest.js';
import { networkStyles, styleAt } from '../plot/style.js';
import { controlText, LATENCY_LEGEND, VERDICT_LEGEND } from '../wording.js';
import { CSS } from './css.js';
import { plotMarkup } from './figure.js';
import { figureMarkup, notesMarkup, verdictMarkup, type Notes } from './figures.js';
import { html, Markup, NOTHING } from './markup.js';
import { situationMarkup } from './situation.js';
import { cell, tableMarkup } from './table.js';

/**
 * One page that needs nothing else: no script, no font, no request. It can be mailed, archived and read offline, under
 * a content security policy that allows inline styles.
 */
export function htmlReport(summary: Summary): string {
  const all = situations(summary);
  const context = {
    reference: summary.reference,
    styles: networkStyles(summary.networks.map(({ name }) => name)),
  };
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width,initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>Barewire study ${summary.study}</title>
        <style>
          ${new Markup(CSS)}
        </style>
      </head>
      <body>
        <main>
          ${head(summary)} ${overview(summary, all)}
          ${all.map((situation, index) => situationMarkup(situation, situationId(index), context))}
          ${setup(summary)} ${control(summary)} ${cannotTell(summary)} ${reading()} ${environment(summary)}
        </main>
      </body>
    </html> `.text;
}

const situationId = (index: number): string => `s${index + 1}`;

function head(summary: Summary): Markup {
  const facts = [
    ['Testbed', summary.testbed],
    ['Started', summary.startedAt],
    ['Blocks', whole(summary.blocks)],
    [
      'Trials',
      `${whole(summary.trials)} of ${whole(summary.plannedTrials)}${summary.complete ? '' : ', not complete'}`,
    ],
    ['Wall time', `${duration(summary.wallS)}, ${percent(summary.measuringShare)} measuring`],
    ['Reference', summary.reference],
  ] as const;
  return html`<header>
    <h1>Barewire study ${summary.study}</h1>
    <p class="quiet">How far each container network is from ${summary.reference}.</p>
    ${warnings(summary)}
    <dl class="facts">
      ${facts.map(
        ([name, value]) =>
          html`<div>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
  </header>`;
}

const warnings = ({ warnings: items }: Summary): Markup =>
  items.length === 0
    ? NOTHING
    : html`<div class="warnings" role="note" aria-label="Warnings">
        ${items.map((item) => html`<p><strong>Warning:</strong> ${item}</p>`)}
      </div>`;

/** Networks against situations: who looks at one table looks at this one. */
function overview(summary: Summary, all: readonly Situation[]): Markup {
  const notes: Notes = { prefix: 'overview-note', gaps: new Gaps() };
  const rows = standings(summary);
  const table = tableMarkup({
    caption: `${PRIMARY} as a ratio to ${summary.reference}, best network first`,
    full: true,
    columns: [
      { title: html`Network` },
      ...all.map((situation, index) => ({
        title: html`<a href="#${situationId(index)}"
          >${situation.workload}<br />${whole(situation.rateRps)}/s</a
        >`,
      })),
      { title: html`What it is`, left: true },
    ],
    rows: rows.map((row) => overviewRow(row, all, notes)),
  });
  return html`<section aria-labelledby="overview">
    <h2 id="overview">In short</h2>
    ${table}${notesMarkup(notes)}
    <p class="quiet">${VERDICT_LEGEND}</p>
    ${missing(summary)}
  </section>`;
}

function overviewRow({ network, isReference }: Standing, all: readonly Situation[], notes: Notes) {
  const figures = all.map(({ rows }) => {
    const found = rows.find((row) => row.network === network)?.cell;
    if (network.status !== 'measured' || found === undefined) return cell(NO_FIGURE);
    if (isReference) return cell('1');
    const ratio = figureMarkup(
      found.ratioToReference[PRIMARY],
      situationTitle({ ...found, rows: [] }),
      network.name,
      notes,
    );
    return cell(html`${ratio}${verdictMarkup(found.verdicts[PRIMARY])}`);
  });
  const what =
    network.status === 'measured'
      ? network.what
      : `${network.status}: ${network.reason ?? 'no reason given'}`;
  return [
    cell(network.name),
    ...figures,
    cell(isReference ? html`${what} <small>the reference</small>` : what, 'wrap left'),
  ];
}

function missing(summary: Summary): Markup {
  const items = unmeasured(summary);
  if (items.length === 0) return NOTHING;
  return html`<h3>Not measured</h3>
    <ul>
      ${items.map(
        ({ name, status, reason }) =>
          html`<li><strong>${name}</strong> (${status}): ${reason ?? 'no reason was given'}</li>`,
      )}
    </ul>`;
}

function setup(summary: Summary): Markup {
  const notes: Notes = { prefix: 'setup-note', gaps: new Gaps() };
  const built = summary.networks.filter((network) => network.setup !== null || network.maxRps !== null);
  if (built.length === 0) return NOTHING;
  const table = tableMarkup({
    caption: 'Changes to both hosts together, and the highest rate that held',
    columns: ['Network', 'steps', 'up, ms', 'down, ms', 'maximum requests/s'].map((title) => ({
      title: html`${title}`,
    })),
    rows: built.map((network) => setupRow(network, notes)),
  });
  return html`<section aria-labelledby="setup">
    <h2 id="setup">Setup cost and maximum</h2>
    <p>A step is one change that a person would have to type; its undo is not counted.</p>
    ${table}${notesMarkup(notes)}
  </section>`;
}

const setupRow = ({ name, setup: cost, maxRps }: NetworkSummary, notes: Notes) => [
  cell(name),
  cell(cost === null ? NO_FIGURE : whole(cost.steps)),
  cell(cost === null ? NO_FIGURE : three(cost.ms)),
  cell(cost === null ? NO_FIGURE : three(cost.downMs)),
  cell(maxRps === null ? NO_FIGURE : figureMarkup(maxRps, 'maximum', name, notes)),
];

function control(summary: Summary): Markup {
  const entries = Object.entries(summary.control.aa);
  const missing = entries.flatMap(([key, figure]) =>
    figure.value === null ? [html`<li>${key}: ${figure.why}</li>`] : [],
  );
  const plot = plotMarkup(
    'The reference against itself',
    'With 95 % intervals; 1 is no difference.',
    'aa',
    (id, size) =>
      forestPlot(
        {
          id,
          title: 'A/A control',
          axisName: 'ratio of the two, log scale',
          rows: entries
            .filter(([, figure]) => figure.value !== null)
            .map(([key, ratio]) => ({ label: key, ratio, remark: '', style: styleAt(0) })),
        },
        size,
      ),
  );
  return html`<section aria-labelledby="control">
    <h2 id="control">A/A control</h2>
    <p>${controlText(summary)}</p>
    <div class="pair">${plot}</div>
    ${
      missing.length === 0
        ? NOTHING
        : html`<ul class="notes">
            ${missing}
          </ul>`
    }
  </section>`;
}

const cannotTell = ({ cannotTell: items, testbed }: Summary): Markup =>
  html`<section aria-labelledby="limits">
    <h2 id="limits">What this testbed cannot tell</h2>
    ${
      items.length === 0
        ? html`<p>The testbed ${testbed} named no limits.</p>`
        : html`<ul>
            ${items.map((item) => html`<li>${item}</li>`)}
          </ul>`
    }
  </section>`;

const reading = (): Markup =>
  html`<section aria-labelledby="reading">
    <h2 id="reading">How to read this</h2>
    <p>${LATENCY_LEGEND}</p>
  </section>`;

function environment(summary: Summary): Markup {
  const hosts = Object.entries(summary.environment);
  if (hosts.length === 0) return NOTHING;
  const names = [...new Set(hosts.flatMap(([, facts]) => Object.keys(facts)))];
  const table = tableMarkup({
    caption: 'What each host was',
    columns: [{ title: html`` }, ...hosts.map(([name]) => ({ title: html`${name}`, left: true }))],
    rows: names.map((name) => [
      cell(name),
      ...hosts.map(([, facts]) => cell(String(facts[name] ?? NO_FIGURE), 'wrap left')),
    ]),
  });
  return html`<section aria-labelledby="environment">
    <h2 id="environment">Environment</h2>
    ${table}
  </section>`;
}
