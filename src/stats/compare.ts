import type { ComparedRun, Comparison, Refusal, StudyRecord } from '../schema/index.js';
import { restartCount, groupCells, loadKey, type CellSlices, type SliceData } from './cells.js';
import { changesOf } from './changes.js';
import { comparedCells, type CellPair, type Referred } from './compared-cells.js';
import { comparedMaxima } from './compared-maxima.js';
import { controlOf } from './control.js';
import { REFERENCE, withheld } from './reference-ratios.js';
import { leftOut } from './warnings.js';

/** Rates within this share of each other are one load. */
const SAME_RATE = 0.02;

/** A results directory as it was read. */
export interface StudyData {
  readonly study: StudyRecord;
  readonly slices: readonly SliceData[];
  /** As a person named it. */
  readonly directory?: string;
  /** What of it could not be read. */
  readonly refused?: readonly Refusal[];
}

export interface CompareOptions {
  /** A change inside it is none, a share: 0.05; by default the greater of the two studies' own. */
  readonly margin?: number;
}

interface Run extends StudyData {
  readonly cells: readonly CellSlices[];
}

/**
 * What became better or worse from run `a` to run `b`, for each network at each workload and rate that both have. The runs share
 * no restarts, so their means are compared as independent (Welch), figures directly and ratios to the reference.
 */
export function compareStudies(a: StudyData, b: StudyData, options: CompareOptions = {}): Comparison {
  const runs = [a, b].map((run): Run => ({ ...run, cells: groupCells(run.slices) })) as [Run, Run];
  const [cellsA, cellsB] = [runs[0].cells, runs[1].cells];
  const pairs = pairUp(cellsA, cellsB);
  const margin = options.margin ?? Math.max(a.study.spec.margin, b.study.spec.margin);
  const changes = changesOf(a.study, b.study);
  const cells = comparedCells(pairs, margin, withheld(a.study) ?? withheld(b.study));
  const maxima = comparedMaxima(a, b, margin);
  const figures = [...cells.flatMap((cell) => Object.values(cell.figures)), ...maxima];
  return {
    schema: 1,
    a: runOf(a),
    b: runOf(b),
    margin,
    warnings: warningsOf(runs, pairs, changes),
    ...changes,
    cells,
    maxima,
    onlyA: alone(cellsA, cellsB),
    onlyB: alone(cellsB, cellsA),
    regression: figures.some(({ regression }) => regression),
  };
}

const runOf = ({ study, slices, directory, refused = [] }: StudyData): ComparedRun => ({
  ...(directory === undefined ? {} : { directory }),
  study: study.spec.name,
  testbed: study.spec.testbed,
  startedAt: study.startedAt,
  version: study.version,
  restarts: restartCount(slices),
  refused: [...refused],
});

/** A share of the maximum is the same cell in both runs, though it is another rate. */
const sameCell = (cell: CellSlices): string =>
  `${cell.network} ${cell.workload} ${cell.rateOfMax === null ? cell.rateRps : `${cell.rateOfMax} of the maximum`}`;

function pairUp(a: readonly CellSlices[], b: readonly CellSlices[]): CellPair[] {
  const others = new Map(b.map((cell) => [sameCell(cell), cell]));
  return a.flatMap((cell) => {
    const other = others.get(sameCell(cell));
    if (other === undefined) return [];
    const sameLoad = Math.abs(cell.rateRps / other.rateRps - 1) <= SAME_RATE;
    return [{ a: referred(cell, a), b: referred(other, b), sameLoad }];
  });
}

function referred(cell: CellSlices, all: readonly CellSlices[]): Referred {
  const own = all.find((other) => other.network === REFERENCE && loadKey(other) === loadKey(cell));
  return { cell, reference: own === undefined || own === cell ? null : own };
}

function alone(cells: readonly CellSlices[], others: readonly CellSlices[]): Comparison['onlyA'] {
  const known = new Set(others.map(sameCell));
  return cells
    .filter((cell) => !known.has(sameCell(cell)))
    .map(({ network, workload, rateRps, rateOfMax }) => ({ network, workload, rateRps, rateOfMax }));
}

/** What a reader must know before any figure of the comparison. */
function warningsOf(
  runs: readonly [Run, Run],
  pairs: readonly CellPair[],
  { environment, spec }: Pick<Comparison, 'environment' | 'spec'>,
): string[] {
  const names = (changes: Comparison['spec']): string =>
    [...new Set(changes.map(({ name }) => name))].join(', ');
  return [
    pairs.length === 0 && 'The two runs have no network, workload and rate in common.',
    environment.length > 0 &&
      `The hosts differ (${names(environment)}): what they changed is in the direct ratios, and less in those to the reference.`,
    spec.length > 0 && `The studies were set differently (${names(spec)}).`,
    pairs.some(({ sameLoad }) => !sameLoad) &&
      `The reference has another maximum (${maxima(runs)}), so that the same share of it is another rate: direct ratios are of ` +
        'different loads, and get no verdict. Absolute rates (--rates 20k) compare machines.',
    ...runs.map((run, at) => fewRestarts(run, RUNS[at]!)),
    ...runs.flatMap(({ slices }, at) => leftOut(slices).map((text) => `In the ${RUNS[at]!}: ${text}`)),
    ...runs.map((run, at) => untrusted(run, RUNS[at]!)),
  ].filter((warning) => typeof warning === 'string');
}

const RUNS = ['base', 'new run'];

/** The reference's closed-loop maxima of both runs, in words. */
const maxima = (runs: readonly [Run, Run]): string =>
  runs
    .map(({ study }) => Object.values(study.referenceMaxRps).map((rps) => `${Math.round(rps ?? 0)}/s`))
    .map((rps) => rps.join(' and '))
    .join(' before, ') + ' now';

/** Student's t for two degrees of freedom is 4.3, and for eight 2.3. */
const FEW_BLOCKS = 4;

function fewRestarts({ slices }: Run, name: string): string | false {
  const restarts = restartCount(slices);
  if (restarts >= FEW_BLOCKS) return false;
  if (restarts > 1)
    return `The ${name} has ${restarts} restarts, which is few: its intervals are wide whatever the network. Use --restarts 6.`;
  return `The ${name} has ${restarts === 1 ? 'one restart' : 'no restart'}: nothing can be told from chance. Use --restarts 6.`;
}

function untrusted({ study, cells }: Run, name: string): string | false {
  const reference = cells.filter((cell) => cell.network === REFERENCE);
  const { warning } = controlOf(reference, study.spec.margin);
  return warning !== null && `In the ${name}: ${warning}`;
}
