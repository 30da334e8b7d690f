import {
  LATENCY_KEYS,
  type Finding,
  type LatencyKey,
  type PlannedSlice,
  type ResolvedStudy,
  type StudyRecord,
  type References,
  type Verdict,
  referenceOf,
} from '../schema/index.js';
import { findUnsustained, rateGroupKey, type CellSlices } from './cells.js';
import { estimateLogCpuRatio } from './cpu.js';
import { buildSeries, estimateLogRatio, type LogEstimateOrFinding } from './log-estimate.js';
import { decideVerdicts } from './verdicts.js';

/** A cell's ratios to the reference and their verdicts; empty for the reference itself. */
export interface ReferenceComparison {
  readonly ratios: ReadonlyMap<LatencyKey, LogEstimateOrFinding>;
  readonly verdicts: ReadonlyMap<LatencyKey, Verdict>;
  readonly cpu: LogEstimateOrFinding | null;
  readonly cpuVerdict: Verdict | null;
}

export const NOT_COMPARED: ReferenceComparison = {
  ratios: new Map(),
  verdicts: new Map(),
  cpu: null,
  cpuVerdict: null,
};

/** The comparisons of a study that get a verdict: a family, in which each more weakens all. */
const JUDGED = ['p50', 'p99', 'cpu'] as const;

/** Margins within which two networks are equivalent, as shares. */
export type Margins = Pick<ResolvedStudy, 'margin' | 'tailMargin'> & References;

/**
 * The reference has two set-ups in each restart. They take turns as the denominator, so that neither set-up's peculiarity is in
 * every ratio.
 */
const denominatorOf = (restart: number): PlannedSlice['role'] =>
  restart % 2 === 1 ? 'reference' : 'control';

/**
 * All cells against the reference at the same workload and rate. The p50, the p99 and the CPU time of all cells get a verdict;
 * these are one family.
 *
 * @param withheld why no ratio is given, or null
 */
export function compareToReference(
  cells: readonly CellSlices[],
  margins: Margins,
  withheld: Finding | null,
): Map<CellSlices, ReferenceComparison> {
  const keyOf = (network: string, cell: CellSlices): string => `${network} ${rateGroupKey(cell)}`;
  const byNetwork = new Map(cells.map((cell) => [keyOf(cell.network, cell), cell]));
  const compared = cells.flatMap((cell) => {
    const reference = byNetwork.get(keyOf(referenceOf(margins, cell.network), cell));
    if (reference === undefined || reference === cell) return [];
    const unsustained = findUnsustained(reference);
    const missing =
      withheld ?? findUnsustained(cell) ?? (unsustained && { ...unsustained, scope: 'reference' as const });
    if (missing !== null) {
      const ratios = new Map(LATENCY_KEYS.map((key) => [key, { finding: missing }]));
      return [{ cell, ratios, cpu: { finding: missing } }];
    }
    const above = buildSeries(cell, 'response');
    const below = buildSeries(reference, 'response', denominatorIn(reference));
    const ratios = new Map(LATENCY_KEYS.map((key) => [key, estimateLogRatio(above, below, key)]));
    return [{ cell, ratios, cpu: estimateLogCpuRatio(cell, reference) }];
  });
  const family = compared.flatMap(({ cell, ratios, cpu }) =>
    JUDGED.flatMap((key) => {
      const estimate = key === 'cpu' ? cpu : ratios.get(key);
      return estimate === undefined || 'finding' in estimate ? [] : [{ cell, key, estimate }];
    }),
  );
  const verdicts = decideVerdicts(
    family.map(({ estimate }) => estimate),
    family.map(({ key }) => (key === 'p99' ? margins.tailMargin : margins.margin)),
  );
  return new Map(
    compared.map(({ cell, ratios, cpu }) => {
      const own = family.flatMap(({ cell: of, key }, index) =>
        of === cell ? [{ key, verdict: verdicts[index]! }] : [],
      );
      const latencies = own.flatMap(({ key, verdict }) => (key === 'cpu' ? [] : [[key, verdict] as const]));
      const cpuVerdict = own.find(({ key }) => key === 'cpu')?.verdict ?? null;
      return [cell, { ratios, cpu, cpuVerdict, verdicts: new Map<LatencyKey, Verdict>(latencies) }];
    }),
  );
}

/** Records of one role, as of an external generator's or an earlier study, have no turns. */
export const denominatorIn = ({ valid }: CellSlices) =>
  valid.some(({ record }) => record.role === 'control') ? denominatorOf : undefined;

/** Why no ratio of times is given: an emulator's time per instruction is not proportional to a CPU's. */
export const findWithheld = ({ environment }: StudyRecord): Finding | null =>
  Object.values(environment).some(({ accel }) => accel === 'tcg') ? { code: 'emulated-times' } : null;
