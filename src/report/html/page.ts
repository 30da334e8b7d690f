import type { Estimate, NetworkSummary, Summary } from '../../schema/index.js';
import { situations } from '../cells.js';
import { isLeast, maximumColumns, maximumLegend, maximumText, type MaximumColumn } from '../maxima.js';
import { Gaps } from '../gaps.js';
import { NO_FIGURE, percent, three, whole, duration, withInterval } from '../number.js';
import { forestPlot } from '../plot/forest.js';
import { networkStyles, styleAt } from '../plot/style.js';
import {
  cannotSayTitle,
  controlText,
  generatorName,
  latencyLegend,
  loadedBy,
  verdictLegend,
} from '../wording.js';
import { CSS } from './css.js';
import { plotMarkup } from './figure.js';
import { figureMarkup, notesMarkup, type Notes } from './figures.js';
import { html, Markup, NOTHING } from './markup.js';
import { overviewMarkup } from './overview.js';
import { situationMarkup } from './situation.js';
import { cell, tableMarkup } from './table.js';

/**
 * One page that needs nothing else: no script, no font, no request. It can be mailed, archived and read offline, under
 * a content security policy that allows inline styles.
 */
export function htmlReport(summary: Summary): string {
  const all = situations(summary);
  const context = {
    summary,
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
          ${head(summary)} ${overviewMarkup(summary, all, situationId)}
          ${all.map((situation, index) => situationMarkup(situation, situationId(index), context))}
          ${setup(summary)} ${control(summary)} ${cannotSay(summary)} ${limitations(summary)}
          ${reading(summary)} ${environment(summary)}
        </main>
      </body>
    </html> `.text;
}

const situationId = (index: number): string => `s${index + 1}`;

function head(summary: Summary): Markup {
  const facts = [
    ['Testbed', `${summary.testbed}${summary.ip === undefined ? '' : ` over IPv${summary.ip}`}`],
    ['Started', summary.startedAt],
    ['Restarts', whole(summary.restarts)],
    [
      'Slices',
      `${whole(summary.slices)} of ${whole(summary.plannedSlices)}${summary.complete ? '' : ', not complete'}`,
    ],
    ['Wall time', `${duration(summary.wallS)}, ${percent(summary.measuringShare)} measuring`],
    ['Reference', summary.reference],
    ...(summary.generator === undefined ? [] : [['Load', generatorName(summary.generator)] as const]),
  ] as const;
  return html`<header>
    <h1>Barewire study ${summary.study}</h1>
    <p class="quiet">How far each container network is from ${summary.reference}.</p>
    ${loadedBy(summary) === null ? NOTHING : html`<p>${loadedBy(summary) ?? ''}</p>`} ${warnings(summary)}
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

function setup(summary: Summary): Markup {
  const notes: Notes = { prefix: 'setup-note', gaps: new Gaps() };
  const built = summary.networks.filter((network) => network.setup !== null || network.maxRps !== null);
  if (built.length === 0) return NOTHING;
  const maxima = maximumColumns(summary);
  const legend = maximumLegend(summary);
  const titles = ['Network', 'steps', 'up, ms', 'down, ms', ...maxima.map(({ title }) => title)];
  const table = tableMarkup({
    caption: 'Changes to both hosts together, and the highest rate that held',
    columns: titles.map((title) => ({ title: html`${title}` })),
    rows: built.map((network) => setupRow(network, maxima, notes)),
  });
  return html`<section aria-labelledby="setup">
    <h2 id="setup">Setup cost and maximum</h2>
    <p>A step is one change that a person would have to type; its undo is not counted.</p>
    ${table}${notesMarkup(notes)}${legend === null ? NOTHING : html`<p>${legend}</p>`}
  </section>`;
}

const setupRow = (network: NetworkSummary, maxima: readonly MaximumColumn[], notes: Notes) => [
  cell(network.name),
  cell(network.setup === null ? NO_FIGURE : whole(network.setup.steps)),
  cell(network.setup === null ? NO_FIGURE : three(network.setup.ms)),
  cell(network.setup === null ? NO_FIGURE : three(network.setup.tearDownMs)),
  ...maxima.map(({ of, title }) => cell(maximumMarkup(of(network), title, network.name, notes))),
];

const maximumMarkup = (figure: Estimate, key: string, network: string, notes: Notes): Markup =>
  isLeast(figure) ? html`${maximumText(figure)}` : figureMarkup(figure, key, network, notes);

function control(summary: Summary): Markup {
  const entries = Object.entries(summary.control.aa);
  const missing = entries.flatMap(([key, figure]) =>
    figure.value === null ? [html`<li>${key}: ${figure.why}</li>`] : [],
  );
  const plot = plotMarkup(
    'The reference against itself',
    `With 95 % intervals; 1 is no difference. Band: within ${percent(summary.margin)}.`,
    'aa',
    (id, size) =>
      forestPlot(
        {
          id,
          title: 'A/A control',
          axisName: 'ratio of the two, log scale',
          margin: summary.margin,
          rows: entries
            .filter(([, figure]) => figure.value !== null)
            .map(([key, ratio]) => ({ label: key, ratio, text: withInterval(ratio), style: styleAt(0) })),
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

const cannotSay = ({ generator }: Summary): Markup =>
  generator === undefined
    ? NOTHING
    : html`<section aria-labelledby="generator">
        <h2 id="generator">${cannotSayTitle(generator)}</h2>
        <ul>
          ${generator.cannotSay.map((item) => html`<li>${item}</li>`)}
        </ul>
      </section>`;

const limitations = ({ limitations: items, testbed }: Summary): Markup =>
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

const reading = (summary: Summary): Markup =>
  html`<section aria-labelledby="reading">
    <h2 id="reading">How to read this</h2>
    <ul>
      <li>${latencyLegend(summary)}</li>
      <li>${verdictLegend(summary)}</li>
      <li>A ratio compares slices of the same restart, so that what slows a whole restart cancels out.</li>
      <li>A dash is a figure that the samples cannot carry; its number leads to the reason.</li>
      <li>CPU time is of all CPUs that a side was given, over the recorded window, per answered request.</li>
    </ul>
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
