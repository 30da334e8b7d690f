import type { CellSlices } from './cells.js';
import { averageLogs, type LogEstimateOrFinding } from './log-estimate.js';

/** ln of the CPU microseconds per request of both sides, over the restarts. */
export const estimateLogCpu = (cell: CellSlices): LogEstimateOrFinding => averageRestarts(cpuByRestart(cell));

/** ln of the ratio of two cells' CPU per request in the same restarts. */
export function estimateLogCpuRatio(above: CellSlices, below: CellSlices): LogEstimateOrFinding {
  const [a, b] = [cpuByRestart(above), cpuByRestart(below)];
  const pairs = [...a].flatMap(([restart, log]): [number, number][] => {
    const other = b.get(restart);
    return other === undefined ? [] : [[restart, log - other]];
  });
  return pairs.length === 0 && a.size > 0 && b.size > 0
    ? { finding: { code: 'no-common-restart' } }
    : averageRestarts(new Map(pairs));
}

function averageRestarts(logs: ReadonlyMap<number, number>): LogEstimateOrFinding {
  const values = [...logs.values()];
  if (values.length === 0) return { finding: { code: 'no-valid-slice' } };
  return values.every(Number.isFinite)
    ? averageLogs(values, values.length)
    : { finding: { code: 'no-cpu-time' } };
}

function cpuByRestart({ valid }: CellSlices): Map<number, number> {
  const restarts = new Map<number, number[]>();
  for (const { record } of valid) {
    const us = [record.metrics.client, record.metrics.server]
      .flatMap(({ cpuUsPerRequest: { user, system, softirq } }) => [user, system, softirq])
      .reduce((sum, part) => sum + part, 0);
    restarts.set(record.restart, [...(restarts.get(record.restart) ?? []), Math.log(us)]);
  }
  return new Map(
    [...restarts].map(([restart, logs]) => [restart, logs.reduce((a, b) => a + b, 0) / logs.length]),
  );
}
