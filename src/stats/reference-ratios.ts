import {
  LATENCY_KEYS,
  QUANTILE_NAMES,
  type Finding,
  type LatencyKey,
  type StudyRecord,
  type Verdict,
  REFERENCE,
} from '../schema/index.js';
import { rateGroupKey, type CellSlices } from './cells.js';
import { estimateLogCpuRatio } from './cpu.js';
import { buildSeries, estimateLogRatio, type LogEstimateOrFinding } from './log-estimate.js';
import { decideVerdicts } from './verdicts.js';

/** A cell's ratios to the reference and their verdicts; empty for the reference itself. */
export interface ReferenceComparison {
  readonly ratios: ReadonlyMap<LatencyKey, LogEstimateOrFinding>;
  readonly verdicts: ReadonlyMap<LatencyKey, Verdict>;
  readonly cpu: LogEstimateOrFinding | null;
}

export const NOT_COMPARED: ReferenceComparison = { ratios: new Map(), verdicts: new Map(), cpu: null };

/**
 * All cells against the reference at the same workload and rate; their verdicts are one family. The maximum is one request:
 * it has a ratio but no verdict.
 *
 * @param withheld why no ratio is given, or null
 */
export function compareToReference(
  cells: readonly CellSlices[],
  margin: number,
  withheld: Finding | null,
): Map<CellSlices, ReferenceComparison> {
  const references = new Map(
    cells.filter((cell) => cell.network === REFERENCE).map((cell) => [rateGroupKey(cell), cell]),
  );
  const compared = cells.flatMap((cell) => {
    const reference = references.get(rateGroupKey(cell));
    if (reference === undefined || reference === cell) return [];
    if (withheld !== null) {
      const ratios = new Map(LATENCY_KEYS.map((key) => [key, { finding: withheld }]));
      return [{ cell, ratios, cpu: { finding: withheld } }];
    }
    const [above, below] = [buildSeries(cell, 'response'), buildSeries(reference, 'response')];
    const ratios = new Map(LATENCY_KEYS.map((key) => [key, estimateLogRatio(above, below, key)]));
    return [{ cell, ratios, cpu: estimateLogCpuRatio(cell, reference) }];
  });
  const family = compared.flatMap(({ cell, ratios }) =>
    QUANTILE_NAMES.flatMap((key) => {
      const estimate = ratios.get(key);
      return estimate === undefined || 'finding' in estimate ? [] : [{ cell, key, estimate }];
    }),
  );
  const verdicts = decideVerdicts(
    family.map(({ estimate }) => estimate),
    margin,
  );
  return new Map(
    compared.map(({ cell, ratios, cpu }) => {
      const own = family.flatMap((member, index): [LatencyKey, Verdict][] =>
        member.cell === cell ? [[member.key, verdicts[index]!]] : [],
      );
      return [cell, { ratios, cpu, verdicts: new Map(own) }];
    }),
  );
}

/** Why no ratio of times is given: an emulator's time per instruction is not proportional to a CPU's. */
export const findWithheld = ({ environment }: StudyRecord): Finding | null =>
  Object.values(environment).some(({ accel }) => accel === 'tcg') ? { code: 'emulated-times' } : null;
