import type { NetworkSummary, StudyRecord } from '../schema/index.js';
import type { CellTrials } from './cells.js';
import { maximumOf, type RateTrial } from './rate-search.js';
import { REFERENCE } from './reference-ratios.js';

/**
 * The highest rate of a network that holds, at the first workload that says anything of it: by its own trials where some
 * reached it, else the reference's closed-loop maximum; null where no trial came near it.
 */
export function maxRpsOf(
  name: string,
  cells: readonly CellTrials[],
  study: StudyRecord,
): NetworkSummary['maxRps'] {
  for (const workload of study.spec.workloads) {
    const closedLoopRps = study.referenceMaxRps[workload] ?? null;
    const own = cells.filter((cell) => cell.workload === workload);
    const found = study.generator === undefined ? byTrials(own, closedLoopRps) : null;
    if (found !== null) return found;
    if (name === REFERENCE && closedLoopRps !== null) return { value: closedLoopRps, low: null, high: null };
  }
  return null;
}

function byTrials(cells: readonly CellTrials[], closedLoopRps: number | null): NetworkSummary['maxRps'] {
  const trials = cells.flatMap(({ valid, rateRps }) =>
    valid.map(({ record }): RateTrial => ({
      offeredRps: rateRps,
      achievedRps: record.load.achievedRps,
      latencyMs: null,
      valid: true,
    })),
  );
  const most = Math.max(...trials.map(({ achievedRps }) => achievedRps));
  return trials.length === 0 ? null : maximumOf(trials, { closedLoopRps: closedLoopRps ?? most });
}
