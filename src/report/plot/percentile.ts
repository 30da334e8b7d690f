import type { Cell } from '../../schema/index.js';
import { PRIMARY, type Situation } from '../cells.js';
import type { Markup } from '../html/markup.js';
import { figureText } from '../number.js';
import { LINE, SIZES, textWidth, tickText, valueAxis, type Size } from './frame.js';
import { logAxis } from './scale.js';
import { LABEL_HEIGHT, spreadLabels } from './labels.js';
import { MARKER_PATHS, type NetworkStyle } from './style.js';
import { drawSvg } from './svg.js';

type Styles = ReadonlyMap<string, NetworkStyle>;

/** Where the x axis has its labels, and each line a marker. */
const MARKS = [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999];

/** Nines: 0.9 is 1, 0.99 is 2. The quantile 1 has infinitely many, and no place on the axis. */
const nines = (quantile: number): number => -Math.log10(1 - quantile);

/** Latency by percentile: x a log-tail axis from the median, y milliseconds on a logarithmic axis. */
export function percentilePlot(id: string, situation: Situation, styles: Styles, size: Size): Markup | null {
  // The reference first, and so beneath the lines that are compared with it.
  const lines = [...situation.rows]
    .sort((a, b) => Number(b.isReference) - Number(a.isReference))
    .map(({ network, cell }) => ({ name: network.name, points: points(cell) }))
    .filter(({ points }) => points.length > 1);
  if (lines.length === 0) return null;
  const all = lines.flatMap(({ points }) => points);
  const last = Math.max(...all.map(([x]) => x));
  const y = logAxis(
    all.map(([, ms]) => 10 ** ms),
    9,
  );
  const ticks = MARKS.map(nines).filter((mark) => mark <= last + 1e-9);
  const wide = size === 'wide';
  const height = Math.max(wide ? 380 : 300, wide ? lines.length * LABEL_HEIGHT + TOP + BOTTOM : 0);
  const perUnit = (height - TOP - BOTTOM) / (y.max - y.min);
  const ends = lines.map(({ points }) => (y.max - (points.at(-1)?.[1] ?? 0)) * perUnit);
  const places = spreadLabels(ends, height - TOP - BOTTOM);
  const right = wide ? 20 + Math.max(...lines.map(({ name }) => textWidth(name))) : 14;
  const x = { min: nines(0.5), max: Math.max(last, 1), ticks };
  const perNine = (SIZES[size].width - LEFT - right) / (x.max - x.min);
  /** From a line's end to where its name stands: all names at the edge, where no longer line runs through them. */
  const away = (points: readonly Point[], index: number): Shift => [
    (x.max - (points.at(-1)?.[0] ?? 0)) * perNine,
    (places[index] ?? 0) - (ends[index] ?? 0),
  ];
  return drawSvg({
    id,
    title: 'Latency by percentile',
    description: describe(situation),
    width: SIZES[size].width,
    height,
    option: {
      grid: { left: LEFT, right, top: TOP, bottom: BOTTOM },
      xAxis: valueAxis(x, percentileText, {
        name: 'percentile of requests',
        nameLocation: 'middle',
        nameGap: 28,
      }),
      yAxis: valueAxis(y, tickText, {
        name: 'ms',
        nameGap: 9,
        nameTextStyle: { color: 'var(--muted)', align: 'right' },
      }),
      series: lines.map(({ name, points }, index) =>
        series(name, points, styles.get(name), wide ? away(points, index) : null),
      ),
    },
  });
}

const LEFT = 52;
const TOP = 26;
const BOTTOM = 44;
type Point = readonly [nines: number, logMs: number];
/** Pixels. */
type Shift = readonly [right: number, down: number];

const points = ({ curve }: Cell): readonly Point[] =>
  curve
    .filter(({ quantile, ms }) => quantile >= 0.5 && quantile < 1 && ms > 0)
    .map(({ quantile, ms }) => [nines(quantile), Math.log10(ms)] as const);

function series(
  name: string,
  points: readonly Point[],
  style: NetworkStyle | undefined,
  labelShift: Shift | null,
): object {
  const colour = style?.colour ?? LINE;
  const marked = new Set(MARKS.map((mark) => nearest(points, nines(mark))));
  return {
    type: 'line',
    silent: true,
    symbol: 'none',
    lineStyle: { color: colour, width: 2, type: [...(style?.dash ?? [])] },
    itemStyle: { color: colour },
    data: points.map((point, index) => ({
      value: [...point],
      ...(marked.has(index)
        ? { symbol: `path://${MARKER_PATHS[style?.marker ?? 'circle']}`, symbolSize: 8 }
        : {}),
      ...(labelShift !== null && index === points.length - 1 ? endLabel(name, colour, labelShift) : {}),
    })),
  };
}

/** The library hangs a label on a symbol only, so the line's end gets one too small to see. */
const endLabel = (name: string, color: string, shift: Shift): object => ({
  symbol: 'circle',
  symbolSize: 1,
  label: {
    show: true,
    position: 'right',
    distance: 8,
    offset: [...shift],
    formatter: () => name,
    color,
    fontSize: 12,
  },
});

/** The point at a mark, -1 where the line ends before it. */
function nearest(points: readonly Point[], mark: number): number {
  const distances = points.map(([x]) => Math.abs(x - mark));
  const least = Math.min(...distances);
  return least < 0.05 ? distances.indexOf(least) : -1;
}

/** `99.99 %`, by the number of nines, free of the error of 1 − 10⁻⁴. */
function percentileText(at: number): string {
  if (at < 0.9) return '50';
  const rounded = Math.round(at);
  return rounded === 1 ? '90' : `99${rounded > 2 ? `.${'9'.repeat(rounded - 2)}` : ''}`;
}

const describe = ({ rows }: Situation): string =>
  `Milliseconds against percentile, lowest ${PRIMARY} first: ` +
  rows
    .map(({ network, cell }) => `${network.name} ${figureText(cell.latencyMs[PRIMARY])} ms at ${PRIMARY}`)
    .join('; ') +
  '.';
