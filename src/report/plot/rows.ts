import { hiddenAxis, INK, PAGE, SIZES, valueAxis, type Size } from './frame.js';
import type { Axis } from './scale.js';

/** Turns a point of the axes (value, row) into pixels. */
export interface Place {
  coord(point: readonly number[]): number[];
}

/** One network's line of a plot: its name and figures above, what is drawn below them. */
export interface PlotRow {
  readonly label: string;
  readonly colour: string;
  /** The figures, in words. */
  readonly text: string;
  /** Shapes in pixels; `top` is where the room for them begins. */
  draw(at: (value: number) => number, top: number): readonly object[];
}

export const ROW_HEIGHT = 44;
const TEXT_HEIGHT = 22;

/** The frame that forest and CPU plots share, so that their rows stand level beside each other. */
export const rowsFrame = (
  rows: readonly PlotRow[],
  axis: Axis,
  label: (tick: number) => string,
  name: string,
) => ({
  grid: { left: 10, right: 16, top: 8, bottom: 48 },
  xAxis: valueAxis(axis, label, { name, nameLocation: 'middle', nameGap: 28 }),
  yAxis: hiddenAxis({ min: 0, max: rows.length, inverse: true }),
  series: rows.map((row, index) => rowSeries(row, index, axis)),
});

export const rowsSize = (rows: readonly PlotRow[], size: Size): { width: number; height: number } => ({
  width: SIZES[size].half,
  height: rows.length * ROW_HEIGHT + 56,
});

/** Drawn by hand: the library has no interval mark. Pixels come from its own axes. */
const rowSeries = (row: PlotRow, index: number, { min, max }: Axis): object => ({
  type: 'custom',
  silent: true,
  data: [[0, index]],
  renderItem: (_: unknown, place: Place) => {
    const top = (place.coord([min, index])[1] ?? 0) + TEXT_HEIGHT;
    const at = (value: number): number => place.coord([value, index])[0] ?? 0;
    return {
      type: 'group',
      children: [
        text(row.label, at(min), top, { fill: row.colour, fontWeight: 600, align: 'left' }),
        text(row.text, at(max), top, { fill: INK, align: 'right' }),
        ...row.draw(at, top),
      ],
    };
  },
});

/** With a halo of the page's colour, because lines of the plot run behind it. */
const text = (content: string, x: number, top: number, style: object): object => ({
  type: 'text',
  style: {
    text: content,
    x,
    y: top - TEXT_HEIGHT / 2,
    fontSize: 12,
    verticalAlign: 'middle',
    stroke: PAGE,
    lineWidth: 4,
    ...style,
  },
});
