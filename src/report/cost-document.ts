import {
  ARM,
  networkOfArm,
  type Cost,
  type CostCell,
  type KernelCost,
  type NetworkCost,
} from '../schema/index.js';
import { costEffectBlocks, signed } from './cost-effects.js';
import {
  caveatNotes,
  count,
  countNoun,
  heading,
  left,
  listFindings,
  note,
  paragraph,
  right,
  text,
  type Block,
  type Document,
  type Records,
  type Table,
  type TestCase,
} from './document.js';
import { duration, NO_VALUE, whole } from './number.js';
import { describeFinding } from './wording.js';

/** Groups of functions that get a column; the rest are summed up. */
const SHOWN_GROUPS = 7;
/** Functions that are listed for each network. */
const SHOWN_FUNCTIONS = 6;

type CostRate = Pick<CostCell, 'workload' | 'connections'>;

interface CostRow {
  readonly name: string;
  readonly caveat?: NetworkCost['caveat'];
  readonly cell: CostCell;
}

export function buildCostDocument(cost: Cost): Document {
  const { kernels, client, server, emulator, wallS } = cost;
  return {
    title: `Barewire cost: instructions per request${cost.ablation === undefined ? '' : ` of each knob of ${cost.ablation.profile}`}`,
    blocks: [
      paragraph(
        `Client (${client}) and server (${server}) together, on one emulated CPU (${emulator}), ` +
          `kernel ${kernels.map(({ kernel }) => kernel).join(' and ')}; ${duration(wallS)}.`,
      ),
      ...listFindings('warnings', cost.warnings),
      ...costEffectBlocks(cost),
      ...kernels.flatMap((kernel) => listRates(kernel).flatMap((rate) => rateBlocks(cost, kernel, rate))),
      ...kernelComparison(cost),
      ...unmeasuredBlocks(cost),
      note(
        'Every instruction counts as one, whatever it waits for. Caches, memory, NICs and interrupts of other machines are not included: these are not times.',
      ),
    ],
    records: buildRecords(cost),
    cases: buildCases(cost),
  };
}

const isSame = (one: CostRate, other: CostRate): boolean =>
  one.workload === other.workload && one.connections === other.connections;

const listRates = ({ networks }: KernelCost): CostRate[] =>
  networks
    .flatMap(({ cells }) => cells)
    .filter((cell, index, all) => all.findIndex((other) => isSame(cell, other)) === index);

const rateTitle = ({ workload, connections }: CostRate): string =>
  `${workload}, ${countNoun(connections, 'connection')}`;

const selectRows = ({ networks }: KernelCost, rate: CostRate): CostRow[] =>
  networks.flatMap(({ name, caveat, cells }) =>
    cells.filter((cell) => isSame(cell, rate)).map((cell) => ({ name, caveat, cell })),
  );

function rateBlocks({ reference, kernels }: Cost, kernel: KernelCost, rate: CostRate): readonly Block[] {
  const rows = selectRows(kernel, rate);
  const where = kernels.length > 1 ? `, kernel ${kernel.kernel}` : '';
  return [
    heading(`${rateTitle(rate)}${where}`),
    totalsTable(rows, reference),
    groupsTable(rows),
    ...caveatNotes(rows),
    note(
      rows.length > 1
        ? `Groups of kernel functions in which these networks differ most; ${reference} is the reference.`
        : 'Groups of kernel functions with most instructions.',
    ),
    ...rows.flatMap((row) => describeFunctions(row, rows, reference)),
    ...(rows.length < 2
      ? []
      : [
          {
            kind: 'plot',
            title: 'Instructions per request',
            caption: 'User and kernel instructions of client and server.',
            plot: {
              kind: 'bars',
              axis: 'instructions per request',
              parts: ['user', 'kernel'],
              names: rows.map(({ name }) => name),
              rows: rows.map(({ name, cell: { instructions } }) => ({
                name,
                bars: [[instructions.user, instructions.kernel]],
                text: whole(instructions.total),
              })),
            },
          } as const,
        ]),
  ];
}

const totalsTable = (rows: readonly CostRow[], reference: string): Table => ({
  kind: 'table',
  caption: 'Instructions per request, with the greatest distance of a repeat from the median',
  columns: [
    left('instructions'),
    ...[
      'total',
      'user',
      'kernel',
      `− ${reference.includes(ARM) ? 'none' : reference}`,
      'ratio',
      'repeats',
    ].map(right),
  ],
  rows: rows.map(({ name, cell: { instructions, difference, spread, steady } }) => [
    text(name),
    ...[instructions.total, instructions.user, instructions.kernel].map(count),
    text(difference === null ? NO_VALUE : signed(difference.total)),
    text(difference === null ? NO_VALUE : difference.ratio.toFixed(3)),
    text(`±${(spread * 100).toFixed(2)} %`, steady ? 'plain' : 'bad'),
  ]),
});

/** The groups in which networks differ most and the rest: a row sums to the kernel's instructions. */
function groupsTable(rows: readonly CostRow[]): Table {
  const sizeOf = ({ groups }: CostCell, name: string): number =>
    groups.find((group) => group.name === name)?.instructions ?? 0;
  const names = [...new Set(rows.flatMap(({ cell }) => cell.groups.map(({ name }) => name)))];
  const rangeOf = (group: string): number => {
    const values = rows.map(({ cell }) => sizeOf(cell, group));
    return rows.length === 1 ? (values[0] ?? 0) : Math.max(...values) - Math.min(...values);
  };
  const shown = names.toSorted((one, other) => rangeOf(other) - rangeOf(one)).slice(0, SHOWN_GROUPS);
  return {
    kind: 'table',
    caption: 'Kernel instructions per request by group of functions',
    columns: [left('kernel'), ...shown.map(right), right('rest')],
    rows: rows.map(({ name, cell }) => {
      const values = shown.map((group) => sizeOf(cell, group));
      const rest = cell.instructions.kernel - values.reduce((sum, value) => sum + value, 0);
      return [text(name), ...[...values, rest].map(count)];
    }),
  };
}

/** The functions in which a network has most instructions more than the reference. */
function describeFunctions(
  { name, cell }: CostRow,
  rows: readonly CostRow[],
  reference: string,
): readonly Block[] {
  const own = reference.includes(ARM) ? `${networkOfArm(name)}${ARM}none` : reference;
  const base = rows.find((row) => row.name === own)?.cell;
  if (base === undefined || name === own) return [];
  const before = new Map(base.functions.map((each) => [each.name, each.instructions]));
  const more = cell.functions
    .map((each) => ({ name: each.name, by: each.instructions - (before.get(each.name) ?? 0) }))
    .filter(({ by }) => by > 0)
    .toSorted((one, other) => other.by - one.by)
    .slice(0, SHOWN_FUNCTIONS)
    .map((each) => `${each.name} ${signed(each.by)}`);
  return more.length === 0 ? [] : [paragraph(`${name} over ${own}: ${more.join(', ')}.`)];
}

function kernelComparison({ kernels }: Cost): readonly Block[] {
  const [first, ...others] = kernels;
  if (first === undefined || others.length === 0) return [];
  return listRates(first).flatMap((rate): Block[] => [
    heading(`${rateTitle(rate)}: kernels compared`),
    {
      kind: 'table',
      caption: 'Instructions per request by kernel; ratios are to the first',
      columns: [
        left('instructions'),
        ...[first, ...others].map(({ kernel }) => right(kernel)),
        ...others.map(() => right('ratio')),
      ],
      rows: selectRows(first, rate).map(({ name, cell }) => {
        const totals = others.map(
          (kernel) =>
            selectRows(kernel, rate).find((row) => row.name === name)?.cell.instructions.total ?? null,
        );
        return [
          text(name),
          count(cell.instructions.total),
          ...totals.map(count),
          ...totals.map((total) =>
            text(total === null ? NO_VALUE : (total / cell.instructions.total).toFixed(3)),
          ),
        ];
      }),
    },
  ]);
}

function unmeasuredBlocks({ kernels }: Cost): readonly Block[] {
  const items = kernels.flatMap(({ kernel, networks }) =>
    networks
      .filter(({ status }) => status !== 'measured')
      .map(
        ({ name, status, finding }) =>
          `${name}, kernel ${kernel}: ${status}${finding === null ? '' : `: ${describeFinding(finding)}`}`,
      ),
  );
  return items.length === 0 ? [] : [heading('Networks not measured'), { kind: 'list', items }];
}

function buildRecords({ kernels }: Cost): Records {
  const rows = kernels.flatMap(({ kernel, networks }) =>
    networks.flatMap(({ name, cells }) =>
      cells.map(({ workload, connections, instructions, difference, spread, steady }) => ({
        kernel,
        network: name,
        workload,
        connections,
        total: instructions.total,
        user: instructions.user,
        kernel_part: instructions.kernel,
        difference: difference?.total ?? null,
        ratio: difference?.ratio ?? null,
        spread,
        steady,
      })),
    ),
  );
  return { columns: Object.keys(rows[0] ?? {}), rows: rows.map((row) => Object.values(row)) };
}

const buildCases = ({ kernels }: Cost): TestCase[] =>
  kernels.flatMap(({ kernel, networks }) =>
    networks.flatMap(({ name, status, finding, cells }): TestCase[] => {
      const suite = `${name}, kernel ${kernel}`;
      if (status !== 'measured')
        return [
          {
            suite,
            name: 'measured',
            status: status === 'failed' ? 'failed' : 'skipped',
            message: finding === null ? status : describeFinding(finding),
          },
        ];
      return cells.map((cell) => ({
        suite,
        name: rateTitle(cell),
        status: cell.steady ? 'passed' : 'failed',
        message: `${whole(cell.instructions.total)} instructions per request, repeats ±${(cell.spread * 100).toFixed(2)} %`,
      }));
    }),
  );
