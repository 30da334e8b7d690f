import type { Cost, CostCell, KernelCost, NetworkCost } from '../schema/index.js';
import { left, list, note, paragraph, plain, right, type Block, type Column, type Text } from './blocks.js';
import { duration, NO_FIGURE, whole } from './number.js';

/** Groups of functions that get a column; the rest are summed up. */
const GROUPS = 7;
/** Functions that are named for each network. */
const FUNCTIONS = 6;

/** What `barewire cost` found: the totals, their difference to the reference, and where the kernel's part goes. */
export function costOutline(cost: Cost): readonly Block[] {
  const { kernels, client, server, emulator, wallS } = cost;
  const names = kernels.map(({ kernel }) => kernel).join(' and ');
  return [
    { kind: 'title', text: 'Barewire cost: instructions for one request' },
    paragraph(
      `Client (${client}) and server (${server}) together, on one emulated CPU (${emulator}), kernel ${names}; ${duration(wallS)}.`,
    ),
    ...list('warnings', cost.warnings),
    ...kernels.flatMap((kernel) => loadsOf(kernel).flatMap((load) => loadBlocks(cost, kernel, load))),
    ...betweenKernels(cost),
    ...unmeasured(cost),
    note(
      'Path length: every instruction counts as one, whatever it waits for. Caches, memory, NICs and interrupts of other machines are not in it.',
    ),
  ];
}

type Load = Pick<CostCell, 'workload' | 'connections'>;

const same = (one: Load, other: Load): boolean =>
  one.workload === other.workload && one.connections === other.connections;

const loadsOf = ({ networks }: KernelCost): Load[] =>
  networks
    .flatMap(({ cells }) => cells)
    .filter((cell, at, all) => all.findIndex((other) => same(cell, other)) === at);

const titleOf = ({ workload, connections }: Load): string =>
  `${workload}, ${connections} ${connections === 1 ? 'connection' : 'connections'}`;

interface Measured {
  readonly name: string;
  readonly cell: CostCell;
}

const measured = ({ networks }: KernelCost, load: Load): Measured[] =>
  networks.flatMap(({ name, cells }) =>
    cells.filter((cell) => same(cell, load)).map((cell) => ({ name, cell })),
  );

function loadBlocks({ reference, kernels }: Cost, kernel: KernelCost, load: Load): readonly Block[] {
  const rows = measured(kernel, load);
  const where = kernels.length > 1 ? `, kernel ${kernel.kernel}` : '';
  return [
    { kind: 'heading', text: `${titleOf(load)}${where}` },
    totals(rows, reference),
    ...whereItGoes(rows, reference),
    ...rows.flatMap((row) => dearest(row, rows, reference)),
  ];
}

function totals(rows: readonly Measured[], reference: string): Block {
  return {
    kind: 'table',
    columns: [
      left('instructions'),
      ...['total', 'user', 'kernel', `− ${reference}`, 'ratio', 'repeats'].map(right),
    ],
    rows: rows.map(({ name, cell: { instructions, difference, spread, steady } }) => [
      plain(name),
      ...[instructions.total, instructions.user, instructions.kernel].map((value) => plain(whole(value))),
      plain(difference === null ? NO_FIGURE : signed(difference.total)),
      plain(difference === null ? NO_FIGURE : difference.ratio.toFixed(3)),
      { text: `±${(spread * 100).toFixed(2)} %`, tone: steady ? 'plain' : 'bad' },
    ]),
  };
}

const signed = (value: number): string => `${value < 0 ? '−' : '+'}${whole(Math.abs(value))}`;

/** The groups in which networks differ most, the rest beside them: a row sums up to the kernel's part. */
function whereItGoes(rows: readonly Measured[], reference: string): readonly Block[] {
  const names = [...new Set(rows.flatMap(({ cell }) => cell.groups.map(({ name }) => name)))];
  const range = (group: string): number => {
    const values = rows.map(({ cell }) => groupOf(cell, group));
    return rows.length === 1 ? (values[0] ?? 0) : Math.max(...values) - Math.min(...values);
  };
  const shown = names.toSorted((one, other) => range(other) - range(one)).slice(0, GROUPS);
  const columns: Column[] = [left("the kernel's part"), ...shown.map(right), right('the rest')];
  return [
    {
      kind: 'table',
      columns,
      rows: rows.map(({ name, cell }): Text[] => {
        const values = shown.map((group) => groupOf(cell, group));
        const rest = cell.instructions.kernel - values.reduce((sum, value) => sum + value, 0);
        return [plain(name), ...[...values, rest].map((value) => plain(whole(value)))];
      }),
    },
    note(
      `The groups of kernel functions in which ${rows.length > 1 ? `these networks differ most; ${reference} is the reference` : 'most is spent'}.`,
    ),
  ];
}

const groupOf = ({ groups }: CostCell, name: string): number =>
  groups.find((group) => group.name === name)?.instructions ?? 0;

/** What a network has more of than the reference, by function. */
function dearest({ name, cell }: Measured, rows: readonly Measured[], reference: string): readonly Block[] {
  const bare = rows.find((row) => row.name === reference)?.cell;
  if (bare === undefined || name === reference) return [];
  const before = new Map(bare.functions.map((each) => [each.name, each.instructions]));
  const more = cell.functions
    .map((each) => ({ name: each.name, by: each.instructions - (before.get(each.name) ?? 0) }))
    .filter(({ by }) => by > 0)
    .toSorted((one, other) => other.by - one.by)
    .slice(0, FUNCTIONS);
  if (more.length === 0) return [];
  return [
    paragraph(
      `${name} over ${reference}: ${more.map((each) => `${each.name} ${signed(each.by)}`).join(', ')}.`,
    ),
  ];
}

/** What each network costs on each kernel, against the first. */
function betweenKernels({ kernels }: Cost): readonly Block[] {
  const [first, ...others] = kernels;
  if (first === undefined || others.length === 0) return [];
  return loadsOf(first).flatMap((load): Block[] => [
    { kind: 'heading', text: `${titleOf(load)}: kernels compared` },
    {
      kind: 'table',
      columns: [
        left('instructions'),
        ...[first, ...others].map(({ kernel }) => right(kernel)),
        ...others.map(() => right('ratio')),
      ],
      rows: measured(first, load).map(({ name, cell }) => {
        const totals = others.map((kernel) => totalOf(kernel, name, load));
        return [
          plain(name),
          plain(whole(cell.instructions.total)),
          ...totals.map((total) => plain(total === null ? NO_FIGURE : whole(total))),
          ...totals.map((total) =>
            plain(total === null ? NO_FIGURE : (total / cell.instructions.total).toFixed(3)),
          ),
        ];
      }),
    },
  ]);
}

const totalOf = (kernel: KernelCost, name: string, load: Load): number | null =>
  measured(kernel, load).find((row) => row.name === name)?.cell.instructions.total ?? null;

const unmeasured = ({ kernels }: Cost): readonly Block[] =>
  list(
    'list',
    kernels.flatMap(({ kernel, networks }) =>
      networks.filter(isMissing).map((network) => missing(network, kernel)),
    ),
  );

const isMissing = ({ status }: NetworkCost): boolean => status !== 'measured';
const missing = ({ name, status, reason }: NetworkCost, kernel: string): string =>
  `${name}, kernel ${kernel}: ${status}${reason === null ? '' : `: ${reason}`}`;
