import type { CostCell, NetworkCost } from '../schema/index.js';

type BareCell = Omit<CostCell, 'difference'>;
export type BareNetwork = Omit<NetworkCost, 'cells'> & { readonly cells: readonly BareCell[] };

/** Adds to each cell its difference from the reference's cell of the same workload and connections. */
export function againstReference(networks: readonly BareNetwork[], reference: string): NetworkCost[] {
  const bare = networks.find(({ name }) => name === reference)?.cells ?? [];
  return networks.map((network) => ({
    ...network,
    cells: network.cells.map((cell) => ({
      ...cell,
      difference:
        network.name === reference
          ? null
          : difference(
              cell,
              bare.find((other) => sameLoad(cell, other)),
            ),
    })),
  }));
}

export const sameLoad = (
  one: Pick<CostCell, 'workload' | 'connections'>,
  other: Pick<CostCell, 'workload' | 'connections'>,
): boolean => one.workload === other.workload && one.connections === other.connections;

function difference({ instructions }: BareCell, bare: BareCell | undefined): CostCell['difference'] {
  if (bare === undefined) return null;
  const { total, user, kernel } = bare.instructions;
  return {
    total: instructions.total - total,
    user: instructions.user - user,
    kernel: instructions.kernel - kernel,
    ratio: instructions.total / total,
  };
}
