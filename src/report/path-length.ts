import type { NetworkSummary, Summary } from '../schema/index.js';
import { NO_FIGURE, whole } from './number.js';

/** True where `barewire cost` has been put beside a study: then its tables have a column for it. */
export const hasPathLengths = ({ networks }: Summary): boolean =>
  networks.some(({ pathLengths = [] }) => pathLengths.length > 0);

/** `78,369 (1.312×)`: instructions of a request in the first of what was counted, and the ratio to the reference's. */
export function pathLengthText({ pathLengths = [] }: NetworkSummary): string {
  const [first] = pathLengths;
  if (first === undefined) return NO_FIGURE;
  const ratio = first.ratio === null ? '' : ` (${first.ratio.toFixed(3)}×)`;
  return `${whole(first.instructions.total)}${ratio}`;
}

/** What the column is of; null where there is none. */
export function pathLengthLegend({ networks }: Summary): string | null {
  const [first] = networks.flatMap(({ pathLengths = [] }) => pathLengths);
  if (first === undefined) return null;
  const { workload, connections, kernel } = first;
  return (
    `Instructions: of one request, client and server together, counted in an emulated machine (${workload}, ` +
    `${connections} connection${connections === 1 ? '' : 's'}, kernel ${kernel}); a path length, not a time.`
  );
}
