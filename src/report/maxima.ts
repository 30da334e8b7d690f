import type { Estimate, NetworkSummary, Summary } from '../schema/index.js';
import { three, withInterval } from './number.js';

/** The maxima of all networks at one workload, or at the only one that says anything of them. */
export interface MaximumColumn {
  readonly title: string;
  readonly of: (network: NetworkSummary) => Estimate;
}

const TITLE = 'maximum requests/s';
const NONE: Estimate = { value: null, why: 'no maximum was searched for: add --maximum' };

export function maximumColumns({ networks }: Summary): readonly MaximumColumn[] {
  const workloads = [
    ...new Set(networks.flatMap(({ maxRpsByWorkload = {} }) => Object.keys(maxRpsByWorkload))),
  ];
  if (workloads.length < 2) return [{ title: TITLE, of: ({ maxRps }) => maxRps ?? NONE }];
  return workloads.map((workload) => ({
    title: `${TITLE}, ${workload}`,
    of: ({ maxRpsByWorkload }) => maxRpsByWorkload?.[workload] ?? NONE,
  }));
}

/** True where the load generator could not make more: the network may carry more than that. */
export const isLeast = (figure: Estimate): boolean =>
  figure.value !== null && figure.low !== null && figure.high === null;

/** `115,000 (112,000–122,000)`, `≥ 155,000`. */
export const maximumText = (figure: Estimate): string =>
  figure.value !== null && isLeast(figure) ? `≥ ${three(figure.value)}` : withInterval(figure);

/** What a searched maximum is; null where none was searched for. */
export function maximumLegend({ networks, objective }: Summary): string | null {
  const searched = networks.flatMap(({ maxRpsByWorkload = {} }) => Object.values(maxRpsByWorkload));
  if (searched.length === 0) return null;
  const least = searched.some(isLeast);
  return (
    `The maximum is the highest rate of which 99 % is answered${objective === undefined ? '' : ` and ${objective} holds`} ` +
    'in half of the slices, in a search over fresh slices at rates of its own; with the interval that holds it with 95 % ' +
    `probability.${least ? ' ≥: the load generator is the limit, and the network may carry more.' : ''}`
  );
}
