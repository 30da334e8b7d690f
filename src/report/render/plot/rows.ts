import type { Plot } from '../../document.js';
import { html, type Markup } from '../markup.js';
import {
  horizontalAxis,
  logAxis,
  round,
  SIZES,
  svg,
  textWidth,
  valueAxis,
  type Axis,
  type Size,
} from './axis.js';
import { describePlot } from './labels.js';
import { MARKER_PATHS, type NetworkStyle } from './style.js';

const ROW_HEIGHT = 40;
const BOTTOM = 44;
const PAD = 12;

type ForestPlot = Extract<Plot, { kind: 'forest' }>;
type BarPlot = Extract<Plot, { kind: 'bars' }>;

/** Ratios with their 95 % intervals around a line at 1. Null where there is no ratio. */
export function drawForest(
  id: string,
  title: string,
  plot: ForestPlot,
  styles: ReadonlyMap<string, NetworkStyle>,
  size: Size,
): Markup | null {
  const values = plot.rows.flatMap(({ estimate }) =>
    estimate?.value == null
      ? []
      : [estimate.value, estimate.low ?? estimate.value, estimate.high ?? estimate.value],
  );
  if (values.length === 0) return null;
  const { margin } = plot;
  return drawRows({ id, title, plot, styles, size }, (range) =>
    logAxis([...values, 1 - margin / 2, 1 + margin, 0.97, 1.03], range, size === 'wide' ? 7 : 5),
  )((axis, bottom) => ({
    behind: html`<rect
        x="${round(axis.at(1 / (1 + margin)))}"
        y="0"
        width="${round(axis.at(1 + margin) - axis.at(1 / (1 + margin)))}"
        height="${bottom}"
        fill="var(--line)"
        opacity="0.7"
      />
      <path d="M${round(axis.at(1))} 0V${bottom}" stroke="var(--ink)" stroke-width="1.5" />`,
    draw: (index, top, style) => {
      const estimate = plot.rows[index]?.estimate;
      if (estimate?.value == null || estimate.value <= 0) return html``;
      const y = top + 24;
      const { value, low, high } = estimate;
      const whisker =
        low === null || high === null || low <= 0
          ? html``
          : html`<path
              d="M${round(axis.at(low))} ${y}H${round(axis.at(high))}M${round(axis.at(low))} ${y - 4}v8M${round(axis.at(high))} ${y - 4}v8"
              stroke="${style.colour}"
              stroke-width="2"
            />`;
      return html`${whisker}<path
          d="${MARKER_PATHS[style.marker]}"
          transform="translate(${round(axis.at(value) - 5)} ${y - 5})"
          fill="${style.colour}"
        />`;
    },
  }));
}

/** Stacked bars, one or more for each name. Null where there are none. */
export function drawBars(
  id: string,
  title: string,
  plot: BarPlot,
  styles: ReadonlyMap<string, NetworkStyle>,
  size: Size,
): Markup | null {
  const lengths = plot.rows.flatMap(({ bars }) =>
    bars.map((bar) => bar.reduce((sum, value) => sum + value, 0)),
  );
  if (lengths.length === 0) return null;
  // Stacked parts need a linear axis; single values may span decades.
  const single = plot.parts.length === 1;
  return drawRows({ id, title, plot, styles, size }, (range) =>
    valueAxis(single ? lengths : [Math.max(...lengths, 1e-6)], range, size === 'wide' ? 6 : 4),
  )((axis) => ({
    behind: html``,
    draw: (index, top, style) => {
      const start = axis.ticks.includes(0) ? 0 : Math.min(...axis.ticks);
      return html`${(plot.rows[index]?.bars ?? []).map((bar, position) => {
        let from = single ? start : 0;
        return html`${bar.map((value, part) => {
          const left = axis.at(from);
          from = single ? value : from + value;
          const fill = single ? style.colour : `var(--cpu-${part})`;
          return html`<rect
            x="${round(left)}"
            y="${top + 19 + position * 10}"
            width="${round(Math.max(0, axis.at(from) - left))}"
            height="8"
            fill="${fill}"
          />`;
        })}`;
      })}`;
    },
  }));
}

interface Frame {
  readonly id: string;
  readonly title: string;
  readonly plot: ForestPlot | BarPlot;
  readonly styles: ReadonlyMap<string, NetworkStyle>;
  readonly size: Size;
}
interface RowDrawing {
  readonly behind: Markup;
  readonly draw: (index: number, top: number, style: NetworkStyle) => Markup;
}

const PLAIN_STYLE: NetworkStyle = { index: 0, colour: 'var(--ink)', dash: [], marker: 'circle' };

/** Rows with a name and a value above each drawing, over a common horizontal axis. */
const drawRows =
  (
    { id, title, plot, styles, size }: Frame,
    makeAxis: (range: readonly [number, number]) => Axis,
  ): ((content: (axis: Axis, bottom: number) => RowDrawing) => Markup) =>
  (content) => {
    const width = SIZES[size].half;
    const bottom = plot.rows.length * ROW_HEIGHT + 4;
    const axis = makeAxis([PAD, width - PAD]);
    const { behind, draw } = content(axis, bottom);
    return svg({ id, title, description: describePlot(plot), width, height: bottom + BOTTOM }, [
      behind,
      horizontalAxis(axis, { top: 0, bottom }, plot.axis, width / 2),
      ...plot.rows.map(({ name, text }, index) => {
        const top = index * ROW_HEIGHT;
        const style = styles.get(name) ?? PLAIN_STYLE;
        const room = width - 2 * PAD - textWidth(name) - 12;
        const shown =
          textWidth(text) > room ? `${text.slice(0, Math.max(4, Math.floor(room / 7.2) - 1))}…` : text;
        return html`<text x="${PAD}" y="${top + 13}" fill="${style.colour}" font-weight="600" class="halo"
            >${name}</text
          >
          <text x="${width - PAD}" y="${top + 13}" text-anchor="end" fill="var(--muted)" class="halo"
            >${shown}</text
          >
          ${draw(index, top, style)}`;
      }),
    ]);
  };
