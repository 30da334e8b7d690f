import type { Estimate } from '../../schema/index.js';
import {
  collectMissing,
  describeCell,
  describeNeeded,
  VERDICT_SIGN,
  type Block,
  type Document,
  type PlotBlock,
  type Table,
  type TableCell,
} from '../document.js';
import { intervalText, letter, NO_VALUE, three } from '../number.js';
import { describeFinding } from '../wording.js';
import { CSS } from './css.js';
import { html, Markup, NOTHING } from './markup.js';
import type { Size } from './plot/axis.js';
import { drawCurves } from './plot/curves.js';
import { drawBars, drawForest } from './plot/rows.js';
import { MARKER_PATHS, networkStyles, type NetworkStyle } from './plot/style.js';

/** One page that needs nothing else: no script, no font, no request. It can be mailed, archived and read offline. */
export function renderHtml(document: Document): string {
  const ids = new IdSource();
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width,initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${document.title}</title>
        <style>
          ${new Markup(CSS)}
        </style>
      </head>
      <body>
        <main>
          <h1>${document.title}</h1>
          ${document.blocks.map((block) => renderBlock(block, ids))}
        </main>
      </body>
    </html> `.text;
}

/** Ids that are unique on the page. */
class IdSource {
  #last = 0;
  next(prefix: string): string {
    return `${prefix}${++this.#last}`;
  }
}

function renderBlock(block: Block, ids: IdSource): Markup {
  const list = (items: readonly string[]): Markup =>
    items.length === 0
      ? NOTHING
      : html`<ul>
          ${items.map((item) => html`<li>${item}</li>`)}
        </ul>`;
  switch (block.kind) {
    case 'heading':
      return block.level === 2
        ? html`<h2 id="${ids.next('h')}">${block.text}</h2> `
        : html`<h3>${block.text}</h3> `;
    case 'paragraph':
      return html`<p>${block.text}</p> `;
    case 'lead':
      return html`<p class="lead">${block.text}</p> `;
    case 'note':
      return html`<p class="quiet">${block.text}</p> `;
    case 'facts':
      return html`<dl class="facts">
        ${block.facts.map(
          ([name, value]) =>
            html`<div>
              <dt>${name}</dt>
              <dd>${value}</dd>
            </div>`,
        )}
      </dl> `;
    case 'verdicts':
      return html`<ul class="lead signs">
        ${block.items.map(
          ({ verdict, text }) =>
            html`<li>
              <span class="sign ${verdict ?? ''}">${verdict === null ? NO_VALUE : VERDICT_SIGN[verdict]}</span
              ><span>${text}</span>
            </li>`,
        )}
      </ul> `;
    case 'list':
      return list(block.items);
    case 'findings':
      return list(block.findings.map(describeFinding));
    case 'warnings':
      return html`<div class="warnings" role="note" aria-label="Warnings">
        ${block.findings.map((finding) => html`<p><strong>Warning:</strong> ${describeFinding(finding)}</p>`)}
      </div> `;
    case 'table':
      return renderTable(block, ids);
    case 'plot':
      return renderPlot(block, ids);
    case 'details':
      return html`<details>
        <summary>${block.title}</summary>
        ${block.blocks.map((inner) => renderBlock(inner, ids))}
      </details> `;
  }
}

/** A table that scrolls in its own box on a narrow page, its first column staying in view. */
function renderTable(table: Table, ids: IdSource): Markup {
  const { caption, columns, rows } = table;
  const missing = collectMissing(table);
  const prefix = ids.next('note');
  const lowest = columns.map(({ lowerIsBetter }, column) => {
    if (lowerIsBetter !== true) return null;
    const values = rows.flatMap((row) => valueOf(row[column]) ?? []);
    return values.length < 2 ? null : Math.min(...values);
  });
  const marksLowest = lowest.some((value) => value !== null);
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0">
      <table class="${columns.length > 4 ? 'full' : ''}">
        <caption>
          ${caption}
        </caption>
        <thead>
          <tr>
            ${columns.map(({ title, align }) => html`<th scope="col" class="${align}">${title}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (row, index) =>
              html`<tr>
                <th scope="row">${row[0] === undefined ? '' : describeCell(row[0]).text}</th>
                ${row.slice(1).map((cell, offset) => {
                  const column = offset + 1;
                  const note = missing.indexOf(index, column);
                  return renderCell(cell, columns[column]?.align ?? 'left', {
                    lowest: lowest[column] ?? null,
                    link:
                      note === undefined
                        ? NOTHING
                        : html`<sup
                            ><a href="#${prefix}-${note}" aria-label="reason: note ${letter(note)}"
                              >${letter(note)}</a
                            ></sup
                          >`,
                  });
                })}
              </tr> `,
          )}
        </tbody>
      </table>
    </div>
    ${
      marksLowest
        ? html`<p class="quiet">
            Bold: lowest in its column. Bar: how many times the lowest, from 1× (empty) to 3× or more (full).
            Small: 95 % interval.
          </p>`
        : NOTHING
    }
    ${
      missing.texts.length === 0
        ? NOTHING
        : html`<ol type="a" class="notes" aria-label="Why values are missing">
            ${missing.texts.map((text, index) => html`<li id="${prefix}-${index}">${text}</li>`)}
          </ol>`
    }`;
}

const valueOf = (cell: TableCell | undefined): number | null =>
  cell?.kind === 'estimate' ? (cell.estimate?.value ?? null) : null;

function renderCell(
  cell: TableCell,
  align: 'left' | 'right',
  { lowest, link }: { readonly lowest: number | null; readonly link: Markup },
): Markup {
  switch (cell.kind) {
    case 'text':
      return html`<td class="${cell.wrap === true ? 'wrap left' : align} ${cell.tone ?? ''}">
        ${cell.text}
      </td>`;
    case 'estimate': {
      const value = valueOf(cell);
      if (value === null) return html`<td class="${align}">${NO_VALUE}${link}</td>`;
      const content = html`${three(value)}${intervalMarkup(cell.estimate)}`;
      if (lowest === null) return html`<td class="${align}">${content}</td>`;
      return html`<td class="${align} ${value === lowest ? 'best' : ''}">
        ${content}${meter(value, lowest)}
      </td>`;
    }
    case 'verdict': {
      const { verdict, restarts } = cell;
      const { text, tone } = describeCell(cell);
      const needed = describeNeeded(verdict, restarts);
      return html`<td class="left">
        <span class="sign ${tone === 'dim' ? 'undecided' : verdict.verdict}">${text}</span
        >${needed === '' ? NOTHING : html`<small>${needed}</small>`}
      </td>`;
    }
  }
}

/** May break after the dash: a phone shows twice as many columns that way. */
function intervalMarkup(estimate: Estimate | undefined): Markup {
  const text = intervalText(estimate);
  if (text === '') return NOTHING;
  const [low = '', high] = text.split('–');
  return high === undefined ? html`<small>${text}</small>` : html`<small>${low}–<wbr />${high}</small>`;
}

/** A length that reads without colour, on a logarithmic scale so that 1.2× and 1.5× differ visibly. */
function meter(value: number, lowest: number): Markup {
  const times = lowest > 0 ? Math.log(value / lowest) / Math.log(3) : 0;
  const width = Math.round(100 * Math.min(1, Math.max(0, times)));
  return html`<span class="meter" aria-hidden="true"><i style="width:${width}%"></i></span>`;
}

/** A plot in both sizes; the style sheet shows the one that fits. */
function renderPlot({ title, caption, plot }: PlotBlock, ids: IdSource): Markup {
  const styles = networkStyles(plot.names);
  const draw = (id: string, size: Size): Markup | null => {
    switch (plot.kind) {
      case 'curves':
        return drawCurves(id, title, plot, styles, size);
      case 'forest':
        return drawForest(id, title, plot, styles, size);
      case 'bars':
        return drawBars(id, title, plot, styles, size);
    }
  };
  const wide = draw(ids.next('plot'), 'wide');
  const narrow = draw(ids.next('plot'), 'narrow');
  if (wide === null || narrow === null) return NOTHING;
  const legend =
    plot.kind === 'curves'
      ? plot.curves.map(({ name }) => html`<li>${swatch(styles.get(name))}${name}</li>`)
      : plot.kind === 'bars' && plot.parts.length > 1
        ? plot.parts.map(
            (part, index) =>
              html`<li><span class="swatch" style="background:var(--cpu-${index})"></span>${part}</li>`,
          )
        : [];
  return html`<figure class="${plot.kind === 'curves' ? 'full-plot' : 'half-plot'}">
    <figcaption>${title}<span>${caption}</span></figcaption>
    <div class="plot-wide">${wide}</div>
    <div class="plot-narrow">${narrow}</div>
    ${
      legend.length === 0
        ? NOTHING
        : html`<ul class="legend">
            ${legend}
          </ul>`
    }
  </figure> `;
}

function swatch(style: NetworkStyle | undefined): Markup {
  if (style === undefined) return NOTHING;
  const { colour, dash, marker } = style;
  return html`<svg viewBox="0 0 34 12" aria-hidden="true">
    <path d="M0 6H34" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash.join(' ')}" fill="none" />
    <path d="${MARKER_PATHS[marker]}" transform="translate(12 1)" fill="${colour}" />
  </svg>`;
}
