import type { CostCell, KernelCost } from '../schema/index.js';
import { MAX_REPEAT_SPREAD } from './slope.js';

/** A trace of some requests and the clock over many need not agree to a fraction of a percent; farther apart, one of them is wrong. */
const AGREE = 0.03;

/** What a reader must know before a figure: what did not repeat, and where the two ways of counting contradict each other. */
export const warningsOf = (kernels: readonly KernelCost[]): string[] =>
  kernels.flatMap(({ kernel, networks }) =>
    networks.flatMap(({ name, cells }) =>
      cells.flatMap((cell) => {
        const where = `${name}, ${cell.workload}, ${cell.connections} connection${cell.connections === 1 ? '' : 's'}, kernel ${kernel}`;
        return [...unsteady(cell, where), ...disagreeing(cell, where)];
      }),
    ),
  );

const unsteady = ({ steady, spread, repeats }: CostCell, where: string): string[] =>
  steady
    ? []
    : [
        `${where}: the ${repeats.length} repeats differ by up to ${percent(spread)} from their median, more than ${percent(MAX_REPEAT_SPREAD)}.`,
      ];

function disagreeing({ instructions, tracedTotal, tracedRequests }: CostCell, where: string): string[] {
  const apart = Math.abs(tracedTotal / instructions.total - 1);
  if (apart <= AGREE) return [];
  return [
    `${where}: the trace of ${tracedRequests} requests has ${Math.round(tracedTotal)} instructions for each, ${percent(apart)} from the clock's count.`,
  ];
}

const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
