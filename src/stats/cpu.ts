import type { CellSlices } from './cells.js';
import { estimateClustered, type RoundLog } from './clustered.js';
import type { LogEstimateOrFinding } from './log-estimate.js';

/** ln of the CPU microseconds per request of both sides, over the rounds. */
export const estimateLogCpu = (cell: CellSlices): LogEstimateOrFinding =>
  estimate([...cpuByRound(cell).values()]);

/** ln of the ratio of two cells' CPU per request in the same rounds. */
export function estimateLogCpuRatio(above: CellSlices, below: CellSlices): LogEstimateOrFinding {
  const [a, b] = [cpuByRound(above), cpuByRound(below)];
  const pairs = [...a].flatMap(([key, { restart, round, log }]): RoundLog[] => {
    const other = b.get(key);
    return other === undefined ? [] : [{ restart, round, log: log - other.log }];
  });
  return pairs.length === 0 && a.size > 0 && b.size > 0
    ? { finding: { code: 'no-common-round' } }
    : estimate(pairs);
}

function estimate(values: readonly RoundLog[]): LogEstimateOrFinding {
  if (values.length === 0) return { finding: { code: 'no-valid-slice' } };
  return values.every(({ log }) => Number.isFinite(log))
    ? estimateClustered(values)
    : { finding: { code: 'no-cpu-time' } };
}

/** The mean of a round's slices on the log scale: the reference has two. */
function cpuByRound({ valid }: CellSlices): Map<string, RoundLog> {
  const rounds = new Map<string, { restart: number; round: number; logs: number[] }>();
  for (const { record } of valid) {
    const us = [record.metrics.client, record.metrics.server]
      .flatMap(({ cpuUsPerRequest: { user, system, softirq } }) => [user, system, softirq])
      .reduce((sum, part) => sum + part, 0);
    const key = `${record.restart}/${record.round}`;
    const own = rounds.get(key) ?? { restart: record.restart, round: record.round, logs: [] };
    own.logs.push(Math.log(us));
    rounds.set(key, own);
  }
  return new Map(
    [...rounds].map(([key, { restart, round, logs }]) => [
      key,
      { restart, round, log: logs.reduce((a, b) => a + b, 0) / logs.length },
    ]),
  );
}
