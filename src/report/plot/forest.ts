import type { Figure } from '../../schema/index.js';
import type { Markup } from '../html/markup.js';
import { interval, valueOf, withInterval } from '../number.js';
import { hiddenAxis, INK, PAGE, SIZES, tickText, valueAxis, type Size } from './frame.js';
import { ratioAxis, type Axis } from './scale.js';
import type { NetworkStyle } from './style.js';
import { drawSvg } from './svg.js';

export interface ForestRow {
  readonly label: string;
  readonly ratio: Figure | undefined;
  /** Beside the figure: the verdict, or why there is none. */
  readonly remark: string;
  readonly style: NetworkStyle;
}

export interface Forest {
  readonly id: string;
  readonly title: string;
  readonly axisName: string;
  readonly rows: readonly ForestRow[];
}

const ROW_HEIGHT = 44;

/** Ratios with their 95 % intervals against a line at 1, one row each, the figure written above its interval. */
export function forestPlot({ id, title, axisName, rows }: Forest, size: Size): Markup | null {
  const shown = rows.flatMap(({ ratio }) => ends(ratio));
  if (shown.length === 0) return null;
  const axis = ratioAxis(shown, size === 'wide' ? 7 : 6);
  return drawSvg({
    id,
    title,
    description: rows.map((row) => `${row.label}: ${rowText(row)}`).join('; '),
    width: SIZES[size].half,
    height: rows.length * ROW_HEIGHT + 56,
    option: {
      grid: { left: 10, right: 16, top: 8, bottom: 48 },
      xAxis: valueAxis(axis, tickText, { name: axisName, nameLocation: 'middle', nameGap: 28 }),
      yAxis: hiddenAxis({ min: 0, max: rows.length, inverse: true }),
      series: [unity(rows.length), ...rows.map((row, index) => rowSeries(row, index, axis))],
    },
  });
}

const rowText = ({ ratio, remark }: ForestRow): string => `${withInterval(ratio)} ${remark}`.trim();

function ends(figure: Figure | undefined): readonly number[] {
  const value = valueOf(figure);
  if (value === null) return [];
  const bounds = interval(figure);
  return bounds === null ? [value] : [value, bounds.low, bounds.high];
}

/** The line at which a network is no different from the reference. */
const unity = (rows: number): object => ({
  type: 'line',
  silent: true,
  symbol: 'none',
  lineStyle: { color: INK, width: 1.5, type: 'solid' },
  data: [
    [0, 0],
    [0, rows],
  ],
});

interface Place {
  coord(point: readonly number[]): number[];
}

/** Drawn by hand: the library has no interval mark. Pixels come from its own axes. */
const rowSeries = (row: ForestRow, index: number, { min, max }: Axis): object => ({
  type: 'custom',
  silent: true,
  data: [[0, index]],
  renderItem: (_: unknown, place: Place) => ({
    type: 'group',
    children: [
      text(row.label, place.coord([min, index]), { fill: row.style.colour, fontWeight: 600, align: 'left' }),
      text(rowText(row), place.coord([max, index]), { fill: INK, align: 'right' }),
      ...mark(row, index, place),
    ],
  }),
});

/** With a halo of the page's colour, because the line at 1 runs behind it. */
const text = (content: string, [x = 0, y = 0]: readonly number[], style: object): object => ({
  type: 'text',
  style: {
    text: content,
    x,
    y: y + 12,
    fontSize: 12,
    verticalAlign: 'middle',
    stroke: PAGE,
    lineWidth: 4,
    ...style,
  },
});

function mark({ ratio, style }: ForestRow, index: number, place: Place): readonly object[] {
  const value = valueOf(ratio);
  if (value === null || value <= 0) return [];
  const at = (figure: number): number[] => place.coord([Math.log10(figure), index]);
  const [x = 0, top = 0] = at(value);
  const y = top + 31;
  const bounds = interval(ratio);
  const whole = bounds === null || bounds.low <= 0;
  return [
    ...(whole ? [] : whisker(at(bounds.low)[0] ?? x, at(bounds.high)[0] ?? x, y, style.colour)),
    {
      type: 'path',
      shape: { pathData: MARKER_PATHS[style.marker], x: x - 5, y: y - 5, width: 10, height: 10 },
      style: { fill: style.colour },
    },
  ];
}

/** Each in a square of 10. */
export const MARKER_PATHS = {
  circle: 'M0 5a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z',
  rect: 'M0 0h10v10h-10Z',
  triangle: 'M5 0L10 10L0 10Z',
  diamond: 'M5 0L10 5L5 10L0 5Z',
} as const;

function whisker(low: number, high: number, y: number, colour: string): readonly object[] {
  const line = (x1: number, y1: number, x2: number, y2: number): object => ({
    type: 'line',
    shape: { x1, y1, x2, y2 },
    style: { stroke: colour, lineWidth: 2 },
  });
  return [line(low, y, high, y), line(low, y - 4, low, y + 4), line(high, y - 4, high, y + 4)];
}
