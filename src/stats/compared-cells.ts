import {
  COMPARED_KEYS,
  type ComparedCell,
  type ComparedFigure,
  type ComparedKey,
  type Estimate,
  type Finding,
  type JudgedRatio,
} from '../schema/index.js';
import { summarizeLatencies } from './cell-summary.js';
import type { CellSlices } from './cells.js';
import type { LogEstimate } from './clustered.js';
import { estimateLogCpu, estimateLogCpuRatio } from './cpu.js';
import {
  buildSeries,
  estimateLogLatency,
  estimateLogRatio,
  subtractIndependent,
  toEstimate,
  withScope,
  type LogEstimateOrFinding,
} from './log-estimate.js';
import { decideVerdicts, findBeyondMargin } from './verdicts.js';

/** A cell with the reference's at the same workload and rate; null when there is none, or for the reference itself. */
export interface ReferencedCell {
  readonly cell: CellSlices;
  readonly reference: CellSlices | null;
}

/** The same cell in two runs. */
export interface CellPair {
  readonly a: ReferencedCell;
  readonly b: ReferencedCell;
  /** False when the same share of two maxima is two rates: the estimates are of different loads. */
  readonly sameLoad: boolean;
}

/** How one estimate of a cell changed, on the log scale. */
interface LogChange {
  readonly key: ComparedKey;
  readonly direct: LogEstimateOrFinding;
  readonly byReference: LogEstimateOrFinding | null;
  readonly sameLoad: boolean;
}

/** @param withheld why latencies are not compared, or null */
export function compareCells(
  pairs: readonly CellPair[],
  margin: number,
  withheld: Finding | null,
): ComparedCell[] {
  const changes = pairs.flatMap((pair) => COMPARED_KEYS.map((key) => estimateChange(pair, key, withheld)));
  const direct = judgeRatios(
    changes.map((change) => change.direct),
    changes.map(({ key, direct: change, sameLoad }) => (sameLoad ? selectJudged(key, change) : null)),
    margin,
  );
  const byReference = judgeRatios(
    changes.map((change) => change.byReference),
    changes.map(({ key, byReference: change }) => selectJudged(key, change)),
    margin,
  );
  // The ratio to the reference decides where there is one: the machines may have become slower, and the network not.
  const regressions = findBeyondMargin(
    changes.map(
      ({ key, direct: change, byReference: own, sameLoad }) =>
        selectJudged(key, own) ?? (sameLoad ? selectJudged(key, change) : null),
    ),
    margin,
  );
  return pairs.map(({ a, b }, cell) => {
    const [before, after] = [estimateCell(a.cell), estimateCell(b.cell)];
    const figures = COMPARED_KEYS.map((key, offset): [ComparedKey, ComparedFigure] => {
      const index = cell * COMPARED_KEYS.length + offset;
      const ratios = {
        direct: direct[index]!,
        byReference: changes[index]!.byReference && byReference[index]!,
      };
      return [key, { a: before[key], b: after[key], ...ratios, regression: regressions[index]! }];
    });
    return {
      network: a.cell.network,
      workload: a.cell.workload,
      rateOfMax: a.cell.rateOfMax,
      rateRps: { a: a.cell.rateRps, b: b.cell.rateRps },
      figures: Object.fromEntries(figures) as ComparedCell['figures'],
    };
  });
}

/**
 * One family of ratios with the verdicts on those that are judged.
 *
 * @param judged the estimates that get a verdict, in the order of the ratios; null for one that does not
 */
export function judgeRatios(
  ratios: readonly (LogEstimateOrFinding | null)[],
  judged: readonly (LogEstimate | null)[],
  margin: number,
): JudgedRatio[] {
  const found = decideVerdicts(
    judged.filter((estimate) => estimate !== null),
    margin,
  );
  let next = 0;
  return ratios.map((ratio, index) => ({
    ratio: toEstimate(ratio ?? { finding: { code: 'not-compared' } }, 1),
    verdict: judged[index] == null ? null : found[next++]!,
  }));
}

/** The greatest sample is one request and gets no verdict. */
const selectJudged = (key: ComparedKey, change: LogEstimateOrFinding | null): LogEstimate | null =>
  change === null || 'finding' in change || key === 'max' ? null : change;

const estimateCell = (cell: CellSlices): Record<ComparedKey, Estimate> => ({
  ...summarizeLatencies(cell, 'response'),
  cpu: toEstimate(estimateLogCpu(cell), 1),
});

function estimateChange({ a, b, sameLoad }: CellPair, key: ComparedKey, withheld: Finding | null): LogChange {
  if (withheld !== null && key !== 'cpu')
    return { key, direct: { finding: withheld }, byReference: null, sameLoad };
  const value = (cell: CellSlices): LogEstimateOrFinding =>
    key === 'cpu' ? estimateLogCpu(cell) : estimateLogLatency(buildSeries(cell, 'response'), key);
  const ratio = (cell: CellSlices, reference: CellSlices): LogEstimateOrFinding =>
    key === 'cpu'
      ? estimateLogCpuRatio(cell, reference)
      : estimateLogRatio(buildSeries(cell, 'response'), buildSeries(reference, 'response'), key);
  const direct = subtractRuns(value(a.cell), value(b.cell));
  if (a.reference === null || b.reference === null) return { key, direct, byReference: null, sameLoad };
  const byReference = subtractRuns(ratio(a.cell, a.reference), ratio(b.cell, b.reference));
  return { key, direct, byReference, sameLoad };
}

function subtractRuns(a: LogEstimateOrFinding, b: LogEstimateOrFinding): LogEstimateOrFinding {
  if ('finding' in a) return withScope(a, 'base');
  return 'finding' in b ? withScope(b, 'new') : subtractIndependent(b, a);
}
