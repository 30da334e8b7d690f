import { hiddenAxis, INK, PAGE, SIZES, textWidth, valueAxis, type Size } from './frame.js';
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

const LINE_HEIGHT = 18;
const MARK_HEIGHT = 26;
const SIDES = { left: 10, right: 16 };

/** The frame that forest and CPU plots share, so that their rows stand level beside each other. */
export function rowsFrame(
  rows: readonly PlotRow[],
  axis: Axis,
  label: (tick: number) => string,
  name: string,
  size: Size,
) {
  const width = SIZES[size].half;
  const lines = textLines(rows, width);
  return {
    width,
    height: rows.length * (lines * LINE_HEIGHT + MARK_HEIGHT) + 56,
    option: {
      grid: { ...SIDES, top: 8, bottom: 48 },
      xAxis: valueAxis(axis, label, { name, nameLocation: 'middle', nameGap: 28 }),
      yAxis: hiddenAxis({ min: 0, max: rows.length, inverse: true }),
      series: rows.map((row, index) => rowSeries(row, index, axis, lines)),
    },
  };
}

/** Figures stand beside the names, or beneath them where the longest do not fit. */
function textLines(rows: readonly PlotRow[], width: number): 1 | 2 {
  const longest = Math.max(...rows.map((row) => textWidth(row.label) + textWidth(row.text)));
  return longest + 20 <= width - SIDES.left - SIDES.right ? 1 : 2;
}

/** Drawn by hand: the library has no interval mark. Pixels come from its own axes. */
const rowSeries = (row: PlotRow, index: number, { min, max }: Axis, lines: 1 | 2): object => ({
  type: 'custom',
  silent: true,
  data: [[0, index]],
  renderItem: (_: unknown, place: Place) => {
    const top = place.coord([min, index])[1] ?? 0;
    const at = (value: number): number => place.coord([value, index])[0] ?? 0;
    const beside = lines === 1;
    return {
      type: 'group',
      children: [
        text(row.label, at(min), top, { fill: row.colour, fontWeight: 600, align: 'left' }),
        text(row.text, at(beside ? max : min), beside ? top : top + LINE_HEIGHT, {
          fill: INK,
          align: beside ? 'right' : 'left',
        }),
        ...row.draw(at, top + 4 + lines * LINE_HEIGHT),
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
    y: top + 11,
    fontSize: 12,
    verticalAlign: 'middle',
    stroke: PAGE,
    lineWidth: 4,
    ...style,
  },
});
