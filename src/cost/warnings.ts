import {
  ARM,
  networkOfArm,
  REFERENCE,
  type Finding,
  type KernelCost,
  type CostCell,
  type NetworkCost,
} from '../schema/index.js';
import { MAX_REPEAT_SPREAD } from './slope.js';

/**
 * The trace of some requests and the clock over many must agree within this share; otherwise one of them is
 * wrong.
 */
const MAX_TRACE_SPREAD = 0.03;

/** Finds counts that did not repeat, and counts on which the two methods disagree. */
export const findCostWarnings = (kernels: readonly KernelCost[]): Finding[] =>
  kernels.flatMap(({ kernel, networks }) =>
    networks.flatMap(({ name, cells }) =>
      cells.flatMap(({ workload, connections, instructions, steady, spread, ...counted }): Finding[] => {
        const { repeats, tracedTotal, tracedRequests } = counted;
        const cell = `${name}, ${workload}, ${connections} connection${connections === 1 ? '' : 's'}, kernel ${kernel}`;
        const traceSpread = Math.abs(tracedTotal / instructions.total - 1);
        return [
          ...(steady
            ? []
            : [
                {
                  code: 'repeats-differ' as const,
                  cell,
                  repeats: repeats.length,
                  spread,
                  limit: MAX_REPEAT_SPREAD,
                },
              ]),
          ...(traceSpread <= MAX_TRACE_SPREAD
            ? []
            : [
                {
                  code: 'trace-differs' as const,
                  cell,
                  requests: tracedRequests,
                  traced: Math.round(tracedTotal),
                  spread: traceSpread,
                },
              ]),
        ];
      }),
    ),
  );

type BareCell = Omit<CostCell, 'difference'>;
export type BareNetwork = Omit<NetworkCost, 'cells'> & { readonly cells: readonly BareCell[] };

/** What a network differs from: the reference, or the same network without a knob. */
export const referenceOfArm = (name: string): string =>
  name.includes(ARM) ? `${networkOfArm(name)}${ARM}none` : REFERENCE;

/** Adds to each cell its difference from its reference's cell of the same workload and connections. */
export const againstReference = (networks: readonly BareNetwork[]): NetworkCost[] =>
  networks.map((network) => ({
    ...network,
    cells: network.cells.map((cell) => ({
      ...cell,
      difference:
        network.name === referenceOfArm(network.name)
          ? null
          : difference(
              cell,
              networks
                .find(({ name }) => name === referenceOfArm(network.name))
                ?.cells.find(
                  (other) => cell.workload === other.workload && cell.connections === other.connections,
                ),
            ),
    })),
  }));

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
