import type { Cost, CostCell } from '../../src/schema/index.js';

const cell = (total: number, groups: Readonly<Record<string, number>>): CostCell => {
  const kernel = Object.values(groups).reduce((sum, value) => sum + value, 0);
  return {
    workload: '350B',
    connections: 16,
    instructions: { total, user: total - kernel, kernel },
    repeats: [total, total * 1.001, total * 0.999],
    spread: 0.001,
    steady: true,
    difference: null,
    groups: Object.entries(groups).map(([name, instructions]) => ({ name, instructions })),
    functions: Object.entries(groups).map(([group, instructions]) => ({
      name: `${group}_xmit`,
      group,
      instructions,
    })),
    tracedRequests: 112,
    tracedTotal: total,
  };
};

const host = cell(60_000, { tcp: 9_000, scheduling: 31_000 });
const macvlan: CostCell = {
  ...cell(61_500, { tcp: 9_050, scheduling: 31_000, macvlan: 1_450 }),
  difference: { total: 1_500, user: 0, kernel: 1_500, ratio: 1.025 },
};

/** What a run of two networks and one that the kernel lacks finds. */
export const sampleCost: Cost = {
  schema: 2,
  version: '0.1.0',
  startedAt: '2026-01-01T00:00:00.000Z',
  wallS: 61,
  reference: 'host',
  client: 'h2load nghttp2/1.52.0',
  server: 'nginx/1.22.1',
  emulator: 'QEMU emulator version 7.2',
  warnings: [],
  kernels: [
    {
      kernel: '6.1.0',
      networks: [
        { name: 'host', what: 'none', status: 'measured', finding: null, cells: [host] },
        { name: 'macvlan', what: 'macvlan', status: 'measured', finding: null, cells: [macvlan] },
        {
          name: 'ipvlan',
          what: 'ipvlan',
          status: 'unsupported',
          finding: { code: 'kernel-features-missing', names: ['ipvlan'] },
          cells: [],
        },
      ],
    },
  ],
};
