import { count, estimate, figure, heading, left, right, text, type Block, type Table } from './document.js';
import { percent, three, withInterval } from './number.js';
import { CPU_KINDS, sumCpu, type Row } from './rate-groups.js';

/** CPU time per request and the load of each CPU, of all networks at one rate. */
export function cpuBlocks(rows: readonly Row[], names: readonly string[]): readonly Block[] {
  const measured = rows.flatMap(({ network, cell, isReference }) =>
    cell.cpuUsPerRequest === null
      ? []
      : [{ name: network.name, cost: cell.cpuUsPerRequest, cell, isReference }],
  );
  if (measured.length === 0) return [];
  const sides = ['client user', 'sys', 'softirq', 'server user', 'sys', 'softirq'].map(right);
  return [
    heading('CPU, µs per request', 3),
    {
      kind: 'table',
      caption: 'CPU time per request of all CPUs of a side, over the recorded window',
      columns: [left('network'), right('total'), right('against reference'), ...sides],
      rows: measured.map(({ name, cost, cell, isReference }) => [
        text(name),
        figure(sumCpu(cost.client) + sumCpu(cost.server)),
        isReference ? text('reference', 'dim') : estimate(cell.cpuRatioToReference),
        ...[cost.client, cost.server].flatMap((side) => CPU_KINDS.map((kind) => figure(side[kind]))),
      ]),
    },
    {
      kind: 'details',
      title: 'Load of each CPU',
      blocks: [loadTable(measured)],
    },
    {
      kind: 'plot',
      title: 'CPU time per request',
      caption: `Upper bar client, lower bar server; from left to right ${CPU_KINDS.join(', ')}.`,
      plot: {
        kind: 'bars',
        axis: 'CPU µs per request',
        parts: CPU_KINDS,
        names,
        rows: measured.map(({ name, cost, cell }) => {
          const ratio =
            cell.cpuRatioToReference?.value == null ? '' : `; ×${withInterval(cell.cpuRatioToReference)}`;
          return {
            name,
            bars: [cost.client, cost.server].map((side) => CPU_KINDS.map((kind) => Math.max(0, side[kind]))),
            text: `client ${three(sumCpu(cost.client))}, server ${three(sumCpu(cost.server))}${ratio}`,
          };
        }),
      },
    },
  ];
}

const LOAD_KINDS = ['user', 'system', 'softirq', 'irq', 'steal', 'idle'] as const;

/** From /proc/stat, which counts in ticks: only pooled over the slices. */
const loadTable = (rows: readonly { readonly name: string; readonly cell: Row['cell'] }[]): Table => ({
  kind: 'table',
  caption:
    'Share of the time of each CPU by kind, pooled over the slices; the generator polls while it is idle',
  columns: [left('network'), left('side'), right('CPU'), ...LOAD_KINDS.map(right)],
  rows: rows.flatMap(({ name, cell: { cpuLoad } }) =>
    (['client', 'server'] as const).flatMap((side) =>
      cpuLoad[side].map((load) => [
        text(name),
        text(side),
        count(load.cpu),
        ...LOAD_KINDS.map((kind) => text(percent(load[kind]))),
      ]),
    ),
  ),
});
