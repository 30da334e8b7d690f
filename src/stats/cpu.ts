import type { MeasuredSlice } from '../schema/index.js';
import type { CellSlices } from './cells.js';
import { estimateClustered, type RoundLog } from './clustered.js';
import type { LogEstimateOrFinding } from './log-estimate.js';

/** The share of the rounds whose readings must have succeeded. The failed ones are those of the busiest slices. */
const LEAST_READ_SHARE = 0.8;

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
  const read = values.filter(({ log }) => Number.isFinite(log));
  if (read.length >= LEAST_READ_SHARE * values.length) return estimateClustered(read);
  return {
    finding: { code: 'cpu-readings-failed', failed: values.length - read.length, rounds: values.length },
  };
}

/** The mean of a round's slices on the log scale: the reference has two. */
function cpuByRound({ valid }: CellSlices): Map<string, RoundLog> {
  const rounds = new Map<string, { restart: number; round: number; logs: number[] }>();
  for (const { record } of valid) {
    const us = sumCpuUs(record);
    const key = `${record.restart}/${record.round}`;
    const own = rounds.get(key) ?? { restart: record.restart, round: record.round, logs: [] };
    own.logs.push(us === null || us === 0 ? NaN : Math.log(us));
    rounds.set(key, own);
  }
  return new Map(
    [...rounds].map(([key, { restart, round, logs }]) => [
      key,
      { restart, round, log: logs.reduce((a, b) => a + b, 0) / logs.length },
    ]),
  );
}

/** CPU microseconds per request of both sides; null where a reading failed. */
export function sumCpuUs({ metrics: { client, server } }: MeasuredSlice): number | null {
  const sides = [client.cpuUsPerRequest, server.cpuUsPerRequest];
  return sides.reduce<number | null>(
    (sum, side) => (sum === null || side === null ? null : sum + side.user + side.system + side.softirq),
    0,
  );
}
