import type { CpuCost } from '../../schema/index.js';
import { CPU_KINDS, sideTotal, type Row, type Situation } from '../cells.js';
import type { Markup } from '../html/markup.js';
import { three, valueOf, withInterval } from '../number.js';
import { INK, PAGE, type Size } from './frame.js';
import { rowsFrame, type PlotRow } from './rows.js';
import type { Axis } from './scale.js';
import type { NetworkStyle } from './style.js';
import { drawSvg } from './svg.js';

type Styles = ReadonlyMap<string, NetworkStyle>;

/** CPU time of a request as two stacked bars a network, client above server, from left to right user, system, softirq. */
export function cpuPlot(id: string, { rows }: Situation, styles: Styles, size: Size): Markup | null {
  const lengths = rows.flatMap((row) => sides(row).map(barLength));
  if (lengths.length === 0) return null;
  const drawn = rows.map((row) => plotRow(row, styles.get(row.network.name)?.colour ?? INK));
  const axis = cpuAxis(Math.max(...lengths, LEAST_SPAN));
  return drawSvg({
    id,
    title: 'CPU time per request',
    description: drawn.map(({ label, text }) => `${label}: ${text}`).join('; '),
    ...rowsFrame(drawn, axis, (tick) => String(Number(tick.toPrecision(3))), 'CPU µs per request', size),
  });
}

/** An axis needs some span even where every cost is 0. */
const LEAST_SPAN = 1e-6;

/** Client, then server; none where the cell has no cost. */
const sides = ({ cell: { cpuUsPerRequest: cost } }: Row): readonly CpuCost[] =>
  cost === null ? [] : [cost.client, cost.server];

/** A negative share (a counter that ran back) has no length. */
const length = (value: number): number => Math.max(0, value);
const barLength = (cost: CpuCost): number => CPU_KINDS.reduce((sum, kind) => sum + length(cost[kind]), 0);

const plotRow = (row: Row, colour: string): PlotRow => ({
  label: row.network.name,
  colour,
  text: costText(row),
  draw: (at, top) => sides(row).flatMap((cost, line) => stack(cost, at, top + line * 10)),
});

function costText({ isReference, cell: { cpuUsPerRequest: cost, cpuRatioToReference: ratio } }: Row): string {
  if (cost === null) return '– none measured';
  const sides = `client ${three(sideTotal(cost.client))}, server ${three(sideTotal(cost.server))}`;
  return isReference || valueOf(ratio) === null ? sides : `${sides}; ×${withInterval(ratio)}`;
}

function stack(cost: CpuCost, at: (value: number) => number, y: number): readonly object[] {
  let from = 0;
  return CPU_KINDS.map((kind) => {
    const start = from;
    from += length(cost[kind]);
    return {
      type: 'rect',
      shape: { x: at(start), y, width: Math.max(0, at(from) - at(start)), height: 8 },
      style: { fill: `var(--cpu-${kind})`, stroke: PAGE, lineWidth: 0.5 },
    };
  });
}

function cpuAxis(most: number): Axis {
  const step = niceStep(most / 5);
  const ticks = Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => index * step);
  return { min: 0, max: most * 1.02, ticks };
}

function niceStep(least: number): number {
  const decade = 10 ** Math.floor(Math.log10(least));
  return decade * ([1, 2, 5].find((digit) => digit * decade >= least) ?? 10);
}
