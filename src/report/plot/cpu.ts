import type { CpuCost } from '../../schema/index.js';
import type { Situation } from '../cells.js';
import type { Markup } from '../html/markup.js';
import { three } from '../number.js';
import { INK, MUTED, PAGE, SIZES, valueAxis, type Size } from './frame.js';
import type { NetworkStyle } from './style.js';
import { drawSvg } from './svg.js';

export const CPU_KINDS = ['user', 'system', 'softirq'] as const;

interface Bar {
  readonly network: string;
  readonly side: 'client' | 'server';
  readonly cost: CpuCost;
}

const ROW_HEIGHT = 44;
const LEAST_MAX = 1e-6;

/** CPU time of a request as two stacked bars a network, client above server, from left to right user, system, softirq. */
export function cpuPlot(
  id: string,
  situation: Situation,
  styles: ReadonlyMap<string, NetworkStyle>,
  size: Size,
): Markup | null {
  const bars = situation.rows.flatMap(networkBars);
  if (bars.length === 0) return null;
  const networks = bars.filter(({ side }) => side === 'client').map(({ network }) => network);
  return drawSvg({
    id,
    title: 'CPU time per request',
    description: bars.map((bar) => `${bar.network} ${bar.side} ${three(total(bar.cost))} µs`).join('; '),
    width: SIZES[size].half,
    height: networks.length * ROW_HEIGHT + 56,
    option: {
      grid: { left: 10, right: 16, top: 8, bottom: 48 },
      xAxis: cpuAxis(Math.max(...bars.map(({ cost }) => total(cost)), LEAST_MAX)),
      yAxis: { type: 'value', show: false, min: 0, max: networks.length, inverse: true },
      series: networks.map((network, index) => rowSeries(network, index, bars, styles.get(network))),
    },
  });
}

const networkBars = ({ network, cell }: Situation['rows'][number]): readonly Bar[] =>
  cell.cpuUsPerRequest === null
    ? []
    : (['client', 'server'] as const).map((side) => ({
        network: network.name,
        side,
        cost: cell.cpuUsPerRequest?.[side] ?? { user: 0, system: 0, softirq: 0 },
      }));

/** A negative share (a counter that ran back) has no length. */
const length = (value: number): number => Math.max(0, value);
export const total = (cost: CpuCost): number => CPU_KINDS.reduce((sum, kind) => sum + length(cost[kind]), 0);

function cpuAxis(most: number): object {
  const step = niceStep(most / 5);
  const ticks = Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => index * step);
  return valueAxis({ min: 0, max: most * 1.02, ticks }, (tick) => String(Number(tick.toPrecision(3))), {
    name: 'CPU µs per request',
    nameLocation: 'middle',
    nameGap: 28,
  });
}

function niceStep(least: number): number {
  const decade = 10 ** Math.floor(Math.log10(least));
  return decade * ([1, 2, 5].find((digit) => digit * decade >= least) ?? 10);
}

interface Place {
  coord(point: readonly number[]): number[];
}

function rowSeries(
  network: string,
  index: number,
  bars: readonly Bar[],
  style: NetworkStyle | undefined,
): object {
  const own = bars.filter((bar) => bar.network === network);
  const remark = own.map(({ side, cost }) => `${side} ${three(total(cost))}`).join(', ');
  return {
    type: 'custom',
    silent: true,
    data: [[0, index]],
    renderItem: (_: unknown, place: Place) => ({
      type: 'group',
      children: [
        text(network, place.coord([0, index]), style?.colour ?? INK, 600),
        ...own.flatMap((bar, line) => stack(bar, index, line, place)),
        remarkText(remark, place.coord([0, index])),
      ],
    }),
  };
}

const text = (
  content: string,
  [x = 0, y = 0]: readonly number[],
  fill: string,
  fontWeight: number,
): object => ({
  type: 'text',
  style: {
    text: content,
    x,
    y: y + 12,
    fill,
    fontSize: 12,
    fontWeight,
    verticalAlign: 'middle',
    stroke: PAGE,
    lineWidth: 4,
  },
});

/** Far enough right for the longest name of the catalog. */
const remarkText = (content: string, [x = 0, y = 0]: readonly number[]): object =>
  text(content, [x + 150, y], MUTED, 400);

function stack({ cost }: Bar, index: number, line: number, place: Place): readonly object[] {
  let from = 0;
  return CPU_KINDS.map((kind) => {
    const [x = 0, top = 0] = place.coord([from, index]);
    from += length(cost[kind]);
    const [end = 0] = place.coord([from, index]);
    return {
      type: 'rect',
      shape: { x, y: top + 22 + line * 10, width: Math.max(0, end - x), height: 8 },
      style: { fill: `var(--cpu-${kind})`, stroke: PAGE, lineWidth: 0.5 },
    };
  });
}
