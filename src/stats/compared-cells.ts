import {
  COMPARED_KEYS,
  type ComparedCell,
  type ComparedFigure,
  type ComparedKey,
  type Estimate,
  type JudgedRatio,
} from '../schema/index.js';
import { latencies } from './cell-summary.js';
import type { CellSlices } from './cells.js';
import { cpuEstimate, cpuRatioEstimate } from './cpu.js';
import {
  welchDifference,
  toEstimate,
  latencyEstimate,
  ratioEstimate,
  type LogEstimate,
  type LogEstimateOrReason,
} from './estimate.js';
import { seriesOf } from './series.js';
import { beyond, verdicts } from './verdicts.js';

/** A cell with the reference's at the same workload and rate; null where there is none, or where it is the reference. */
export interface Referred {
  readonly cell: CellSlices;
  readonly reference: CellSlices | null;
}

/** The same cell in two runs. */
export interface CellPair {
  readonly a: Referred;
  readonly b: Referred;
  /** False where the same share of two maxima is two rates: their figures are of different loads. */
  readonly sameLoad: boolean;
}

/** How one figure of a cell changed, on the log scale. */
interface Changed {
  readonly key: ComparedKey;
  readonly direct: LogEstimateOrReason;
  readonly byReference: LogEstimateOrReason | null;
  readonly sameLoad: boolean;
}

/** @param why why latencies are not compared, null when they are */
export function comparedCells(
  pairs: readonly CellPair[],
  margin: number,
  why: string | null,
): ComparedCell[] {
  const changes = pairs.flatMap((pair) => COMPARED_KEYS.map((key) => changeOf(pair, key, why)));
  const direct = judge(
    changes.map(({ key, direct, sameLoad }) => ({ key, change: direct, judged: sameLoad })),
    margin,
  );
  const byReference = judge(
    changes.map(({ key, byReference }) => ({ key, change: byReference, judged: true })),
    margin,
  );
  const regressions = beyond(changes.map(deciding), margin);
  return pairs.map((pair, cell) => {
    const [a, b] = [figuresOf(pair.a.cell), figuresOf(pair.b.cell)];
    const figures = COMPARED_KEYS.map((key, at): [ComparedKey, ComparedFigure] => {
      const index = cell * COMPARED_KEYS.length + at;
      const ratios = {
        direct: direct[index]!,
        byReference: changes[index]!.byReference && byReference[index]!,
      };
      return [key, { a: a[key], b: b[key], ...ratios, regression: regressions[index]! }];
    });
    return { ...named(pair), figures: Object.fromEntries(figures) as ComparedCell['figures'] };
  });
}

const named = ({ a, b }: CellPair): Omit<ComparedCell, 'figures'> => ({
  network: a.cell.network,
  workload: a.cell.workload,
  rateOfMax: a.cell.rateOfMax,
  rateRps: { a: a.cell.rateRps, b: b.cell.rateRps },
});

const figuresOf = (cell: CellSlices): Record<ComparedKey, Estimate> => ({
  ...latencies(cell, 'response'),
  cpu: toEstimate(cpuEstimate(cell), 1),
});

function changeOf({ a, b, sameLoad }: CellPair, key: ComparedKey, why: string | null): Changed {
  if (why !== null && key !== 'cpu') return { key, direct: { why }, byReference: null, sameLoad };
  const direct = changed(valueOf(a.cell, key), valueOf(b.cell, key));
  if (a.reference === null || b.reference === null) return { key, direct, byReference: null, sameLoad };
  const ratios = [ratioOf(a.cell, a.reference, key), ratioOf(b.cell, b.reference, key)] as const;
  return { key, direct, byReference: changed(...ratios), sameLoad };
}

function changed(a: LogEstimateOrReason, b: LogEstimateOrReason): LogEstimateOrReason {
  if ('why' in a) return { why: `before: ${a.why}` };
  return 'why' in b ? { why: `after: ${b.why}` } : welchDifference(b, a);
}

const valueOf = (cell: CellSlices, key: ComparedKey): LogEstimateOrReason =>
  key === 'cpu' ? cpuEstimate(cell) : latencyEstimate(seriesOf(cell, 'response'), key);

const ratioOf = (cell: CellSlices, reference: CellSlices, key: ComparedKey): LogEstimateOrReason =>
  key === 'cpu'
    ? cpuRatioEstimate(cell, reference)
    : ratioEstimate(seriesOf(cell, 'response'), seriesOf(reference, 'response'), key);

interface Judged {
  readonly key: ComparedKey;
  readonly change: LogEstimateOrReason | null;
  readonly judged: boolean;
}

/** One family of changes. The greatest sample is one request, and gets no verdict; what there is none of gets none either. */
function judge(family: readonly Judged[], margin: number): JudgedRatio[] {
  const estimates = family.map(({ key, change, judged }) => (judged ? estimateOf({ key, change }) : null));
  const found = verdicts(
    estimates.filter((estimate) => estimate !== null),
    margin,
  );
  let next = 0;
  return family.map(({ change }, at) => ({
    ratio: toEstimate(change ?? { why: 'not compared' }, 1),
    verdict: estimates[at] == null ? null : found[next++]!,
  }));
}

const estimateOf = ({ key, change }: Pick<Judged, 'key' | 'change'>): LogEstimate | null =>
  change === null || 'why' in change || key === 'max' ? null : change;

/** By the reference where there is a ratio by it: the machines may have become slower, and the network not. */
function deciding({ key, direct, byReference, sameLoad }: Changed): LogEstimate | null {
  const own = estimateOf({ key, change: byReference });
  return own ?? (sameLoad ? estimateOf({ key, change: direct }) : null);
}
