import type { Estimate } from '../../schema/index.js';
import type { Markup } from '../html/markup.js';
import { interval, valueOf } from '../number.js';
import { INK, LINE, tickText, type Size } from './frame.js';
import { rowsFrame, type Place, type PlotRow } from './rows.js';
import { ratioAxis } from './scale.js';
import { MARKER_PATHS, type NetworkStyle } from './style.js';
import { drawSvg } from './svg.js';

export interface ForestRow {
  readonly label: string;
  readonly ratio: Estimate | undefined;
  /** The figure and what it means, in words. */
  readonly text: string;
  readonly style: NetworkStyle;
}

export interface Forest {
  readonly id: string;
  readonly title: string;
  readonly axisName: string;
  /** Inside it a ratio counts as no difference, a share: drawn as a band around 1. */
  readonly margin: number;
  readonly rows: readonly ForestRow[];
}

/** Ratios with their 95 % intervals against a line at 1, one row each. Null where there is no ratio at all. */
export function forestPlot({ id, title, axisName, margin, rows }: Forest, size: Size): Markup | null {
  const shown = rows.flatMap(({ ratio }) => ends(ratio));
  if (shown.length === 0) return null;
  const drawn = rows.map(plotRow);
  const frame = rowsFrame(drawn, ratioAxis(shown, size === 'wide' ? 7 : 6), tickText, axisName, size);
  return drawSvg({
    id,
    title,
    description: rows.map(({ label, text }) => `${label}: ${text}`).join('; '),
    ...frame,
    option: {
      ...frame.option,
      series: [band(rows.length, margin), unity(rows.length), ...frame.option.series],
    },
  });
}

function ends(figure: Estimate | undefined): readonly number[] {
  const value = valueOf(figure);
  if (value === null) return [];
  const bounds = interval(figure);
  return bounds === null ? [value] : [value, bounds.low, bounds.high];
}

/** As wide below 1 as above it, on the log scale: 1 / (1 + margin) to 1 + margin. */
const band = (rows: number, margin: number): object => ({
  type: 'custom',
  silent: true,
  clip: true,
  z: 0,
  data: [[0, 0]],
  renderItem: (_: unknown, place: Place) => {
    const [left = 0, top = 0] = place.coord([-Math.log10(1 + margin), 0]);
    const [right = 0, bottom = 0] = place.coord([Math.log10(1 + margin), rows]);
    return {
      type: 'rect',
      shape: { x: left, y: top, width: Math.max(0, right - left), height: Math.max(0, bottom - top) },
      style: { fill: LINE, opacity: 0.7 },
    };
  },
});

/** The line at which a network is no different from the reference. */
const unity = (rows: number): object => ({
  type: 'line',
  silent: true,
  symbol: 'none',
  z: 1,
  lineStyle: { color: INK, width: 1.5, type: 'solid' },
  data: [
    [0, 0],
    [0, rows],
  ],
});

const plotRow = ({ label, ratio, text, style }: ForestRow): PlotRow => ({
  label,
  colour: style.colour,
  text,
  draw: (at, top) => {
    const value = valueOf(ratio);
    if (value === null || value <= 0) return [];
    const y = top + 9;
    const bounds = interval(ratio);
    const whiskers =
      bounds === null || bounds.low <= 0
        ? []
        : whisker(at(Math.log10(bounds.low)), at(Math.log10(bounds.high)), y, style.colour);
    return [...whiskers, marker(at(Math.log10(value)), y, style)];
  },
});

const marker = (x: number, y: number, { marker: kind, colour }: NetworkStyle): object => ({
  type: 'path',
  shape: { pathData: MARKER_PATHS[kind], x: x - 5, y: y - 5, width: 10, height: 10 },
  style: { fill: colour },
});

function whisker(low: number, high: number, y: number, colour: string): readonly object[] {
  const line = (x1: number, y1: number, x2: number, y2: number): object => ({
    type: 'line',
    shape: { x1, y1, x2, y2 },
    style: { stroke: colour, lineWidth: 2 },
  });
  return [line(low, y, high, y), line(low, y - 4, low, y + 4), line(high, y - 4, high, y + 4)];
}
