import type { CellSlices, ValidSlice } from './cells.js';
import { meanLogEstimate, type LogEstimateOrReason } from './estimate.js';

/** ln of the CPU microseconds that a request costs on both sides together, over the restarts. */
export const cpuEstimate = (cell: CellSlices): LogEstimateOrReason => overRestarts(byRestart(cell));

/** ln of the ratio of two cells' costs in the same restarts. */
export function cpuRatioEstimate(above: CellSlices, below: CellSlices): LogEstimateOrReason {
  const [a, b] = [byRestart(above), byRestart(below)];
  const pairs = [...a].flatMap(([restart, log]): [number, number][] => {
    const other = b.get(restart);
    return other === undefined ? [] : [[restart, log - other]];
  });
  return pairs.length === 0 && a.size > 0 && b.size > 0
    ? { why: 'no restart has a valid slice of both' }
    : overRestarts(new Map(pairs));
}

function overRestarts(logs: ReadonlyMap<number, number>): LogEstimateOrReason {
  const values = [...logs.values()];
  if (values.length === 0) return { why: 'no valid slice' };
  return values.every(Number.isFinite)
    ? meanLogEstimate(values, values.length)
    : { why: 'no CPU time was counted' };
}

function byRestart({ valid }: CellSlices): Map<number, number> {
  const restarts = new Map<number, number[]>();
  for (const slice of valid)
    restarts.set(slice.record.restart, [
      ...(restarts.get(slice.record.restart) ?? []),
      Math.log(totalUs(slice)),
    ]);
  return new Map(
    [...restarts].map(([restart, logs]) => [restart, logs.reduce((a, b) => a + b, 0) / logs.length]),
  );
}

const totalUs = ({ record: { metrics } }: ValidSlice): number =>
  [metrics.client, metrics.server]
    .flatMap(({ cpuUsPerRequest: { user, system, softirq } }) => [user, system, softirq])
    .reduce((sum, us) => sum + us, 0);
