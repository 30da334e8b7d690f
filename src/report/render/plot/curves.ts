import { line } from 'd3-shape';
import type { Curve, Plot } from '../../document.js';
import { html, type Markup } from '../markup.js';
import { horizontalAxis, logAxis, round, SIZES, svg, textWidth, tickText, type Size } from './axis.js';
import { describePlot, LABEL_HEIGHT, spreadLabels } from './labels.js';
import { MARKER_PATHS, type NetworkStyle } from './style.js';

const LEFT = 52;
const TOP = 26;
const BOTTOM = 44;
/** Percentiles that get a tick and a marker on each line. */
const MARKS = [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999];

/** Nines of a quantile: 0.99 is 2. */
const nines = (quantile: number): number => -Math.log10(1 - quantile);

/** Latency by percentile. Null where no network has a curve. */
export function drawCurves(
  id: string,
  title: string,
  plot: Extract<Plot, { kind: 'curves' }>,
  styles: ReadonlyMap<string, NetworkStyle>,
  size: Size,
): Markup | null {
  const curves = plot.curves
    .map((curve) => ({
      ...curve,
      points: curve.points.filter(
        ({ quantile, ms }: Curve['points'][number]) => quantile >= 0.5 && quantile < 1 && ms > 0,
      ),
    }))
    .filter(({ points }) => points.length > 1);
  if (curves.length === 0) return null;
  const wide = size === 'wide';
  const { width } = SIZES[size];
  const height = Math.max(wide ? 380 : 300, wide ? curves.length * LABEL_HEIGHT + TOP + BOTTOM : 0);
  const right = width - (wide ? 24 + Math.max(...curves.map(({ name }) => textWidth(name))) : 14);
  const bottom = height - BOTTOM;
  const all = curves.flatMap(({ points }) => points);
  const last = Math.max(1, ...all.map(({ quantile }) => nines(quantile)));
  const first = nines(0.5);
  const x = (value: number): number => LEFT + ((value - first) / (last - first)) * (right - LEFT);
  const y = logAxis(
    all.map(({ ms }) => ms),
    [bottom, TOP],
    9,
  );
  const ticks = MARKS.map(nines).filter((mark) => mark <= last + 1e-9);
  const ends = curves.map(({ points }) => y.at(points.at(-1)?.ms ?? 1) - TOP);
  const labels = spreadLabels(ends, bottom - TOP);
  const path = line<Curve['points'][number]>()
    .x(({ quantile }) => round(x(nines(quantile))))
    .y(({ ms }) => round(y.at(ms)));
  return svg({ id, title, description: describePlot(plot), width, height }, [
    html`<g class="axis">
      ${y.ticks.map((tick) => html`<path d="M${LEFT} ${round(y.at(tick))}H${round(right)}" /><text x="${LEFT - 6}" y="${round(y.at(tick) + 4)}" text-anchor="end">${tickText(tick)}</text>`)}
      <text x="${LEFT - 6}" y="14" text-anchor="end">ms</text>
    </g>`,
    horizontalAxis(
      { at: x, ticks },
      { top: TOP, bottom },
      'percentile of requests',
      (LEFT + right) / 2,
      percentileText,
    ),
    ...curves.map(({ name, points }, index) => {
      const style = styles.get(name);
      const colour = style?.colour ?? 'var(--ink)';
      const marked = points.filter(({ quantile }) =>
        MARKS.some((mark) => Math.abs(nines(quantile) - nines(mark)) < 1e-6),
      );
      const end = points.at(-1);
      const labelY = TOP + (labels[index] ?? 0);
      return html`<g fill="none" stroke="${colour}" stroke-width="2">
          <path d="${path(points) ?? ''}" stroke-dasharray="${(style?.dash ?? []).join(' ')}" />
          ${
            wide && end !== undefined
              ? html`<path
                  d="M${round(x(nines(end.quantile)) + 4)} ${round(y.at(end.ms))}L${round(right + 4)} ${round(labelY)}"
                  stroke-width="1"
                  opacity="0.4"
                />`
              : html``
          }
        </g>
        <g fill="${colour}">
          ${marked.map(({ quantile, ms }) => html`<path d="${MARKER_PATHS[style?.marker ?? 'circle']}" transform="translate(${round(x(nines(quantile)) - 4)} ${round(y.at(ms) - 4)}) scale(0.8)" />`)}
          ${wide ? html`<text x="${round(right + 8)}" y="${round(labelY + 4)}">${name}</text>` : html``}
        </g>`;
    }),
  ]);
}

/** `99.99` for 4 nines. */
function percentileText(value: number): string {
  if (value < 0.9) return '50';
  const whole = Math.round(value);
  return whole === 1 ? '90' : `99${whole > 2 ? `.${'9'.repeat(whole - 2)}` : ''}`;
}
