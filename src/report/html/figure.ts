import type { Size } from '../plot/frame.js';
import { MARKER_PATHS, type NetworkStyle } from '../plot/style.js';
import { html, NOTHING, type Markup } from './markup.js';

/** A plot in both sizes; the style sheet shows the one that fits. */
export function plotMarkup(
  title: string,
  remark: string,
  id: string,
  draw: (id: string, size: Size) => Markup | null,
  legend: Markup = NOTHING,
): Markup {
  const wide = draw(`${id}-w`, 'wide');
  const narrow = draw(`${id}-n`, 'narrow');
  if (wide === null || narrow === null) return NOTHING;
  return html`<figure>
    <figcaption>${title}<span>${remark}</span></figcaption>
    <div class="plot-wide">${wide}</div>
    <div class="plot-narrow">${narrow}</div>
    ${legend}
  </figure> `;
}

/** Names with the dash and the marker of their lines. */
export const networkLegend = (names: readonly string[], styles: ReadonlyMap<string, NetworkStyle>): Markup =>
  html`<ul class="legend">
    ${names.map((name) => html`<li>${swatch(styles.get(name))}${name}</li>`)}
  </ul>`;

function swatch(style: NetworkStyle | undefined): Markup {
  if (style === undefined) return NOTHING;
  const { colour, dash, marker } = style;
  return html`<svg viewBox="0 0 34 12" aria-hidden="true">
    <path d="M0 6H34" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash.join(' ')}" fill="none" />
    <path d="${MARKER_PATHS[marker]}" transform="translate(12 1)" fill="${colour}" />
  </svg>`;
}
