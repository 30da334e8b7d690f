import {
  type Change,
  type ComparedRun,
  type Comparison,
  type Environment,
  type Finding,
  type FindingScope,
  type StudyRecord,
  referenceOf,
  type References,
} from '../schema/index.js';
import {
  countRestarts,
  groupCells,
  rateGroupKey,
  type CellSlices,
  type SliceData,
  offerOf,
} from './cells.js';
import { compareCells, type CellPair, type ReferencedCell } from './compared-cells.js';
import { compareMaxima } from './compared-maxima.js';
import { evaluateControl } from './control.js';
import { findWithheld } from './reference-ratios.js';
import { findUncountedSlices } from './study-status.js';

/** Rates within this share of each other are one load. */
const SAME_RATE = 0.02;
/** With fewer restarts intervals are wide: Student's t is 4.3 for two degrees of freedom, 2.3 for eight. */
const FEW_RESTARTS = 4;
/** Counters since boot always differ. */
const COUNTER_SUFFIX = 'SinceBoot';
/** Settings that identify a run or its extent, and do not affect what is measured. */
const RUN_SETTINGS = ['name', 'seed', 'restarts', 'networks', 'workloads', 'rates', 'margin', 'maximum'];

/** A results directory as it was read. */
export interface StudyData {
  readonly study: StudyRecord;
  readonly slices: readonly SliceData[];
  /** As named on the command line. */
  readonly directory?: string;
  /** Files and lines that were refused. */
  readonly refused?: readonly Finding[];
}

export interface CompareOptions {
  /** A ratio within this margin is no change, a share: 0.05; by default the greater of the two studies' own. */
  readonly margin?: number;
}

interface Run extends StudyData {
  readonly scope: FindingScope;
  readonly cells: readonly CellSlices[];
}

/**
 * What changed from run `a` to run `b`, for each network at each workload and rate that both have. The runs share no restarts,
 * so means are compared as independent (Welch), both directly and as ratios to the reference.
 */
export function compareStudies(a: StudyData, b: StudyData, options: CompareOptions = {}): Comparison {
  const runs: readonly [Run, Run] = [
    { ...a, scope: 'base', cells: groupCells(a.slices, offerOf(a.study)) },
    { ...b, scope: 'new', cells: groupCells(b.slices, offerOf(b.study)) },
  ];
  const [cellsA, cellsB] = [runs[0].cells, runs[1].cells];
  const others = new Map(cellsB.map((cell) => [cellKey(cell), cell]));
  const pairs = cellsA.flatMap((cell): CellPair[] => {
    const other = others.get(cellKey(cell));
    if (other === undefined) return [];
    const sameLoad = Math.abs(cell.rateRps / other.rateRps - 1) <= SAME_RATE;
    return [
      {
        a: withReference(cell, cellsA, a.study.spec),
        b: withReference(other, cellsB, b.study.spec),
        sameLoad,
      },
    ];
  });
  const margin = options.margin ?? Math.max(a.study.spec.margin, b.study.spec.margin);
  // A host that one run lacks is of a network that it lacks.
  // Another version of Barewire records other facts, which says nothing about a host.
  const sameFacts = a.study.version === b.study.version;
  const environment = Object.entries(a.study.environment)
    .flatMap(([host, facts]) => {
      const later = b.study.environment[host] ?? facts;
      const changes = findChanges(host, facts, later);
      return changes.filter(({ name }) => sameFacts || (name in facts && name in later));
    })
    .filter(({ name }) => !name.includes(COUNTER_SUFFIX));
  const spec = findChanges(null, toSettings(a.study), toSettings(b.study)).filter(
    ({ name }) => !RUN_SETTINGS.includes(name),
  );
  const cells = compareCells(pairs, margin, findWithheld(a.study) ?? findWithheld(b.study));
  const maxima = compareMaxima(a, b, margin);
  const compared = [...cells.flatMap((cell) => Object.values(cell.figures)), ...maxima];
  return {
    schema: 2,
    a: describeRun(a),
    b: describeRun(b),
    margin,
    warnings: findWarnings(runs, pairs, environment, spec),
    environment,
    spec,
    cells,
    maxima,
    caveats: a.study.networks.flatMap(({ name, caveat }) =>
      caveat !== undefined && cells.some(({ network }) => network === name) ? [{ name, caveat }] : [],
    ),
    onlyA: selectUnpaired(cellsA, cellsB),
    onlyB: selectUnpaired(cellsB, cellsA),
    regression: compared.some(({ regression }) => regression),
  };
}

const describeRun = ({ study, slices, directory, refused = [] }: StudyData): ComparedRun => ({
  ...(directory === undefined ? {} : { directory }),
  study: study.spec.name,
  testbed: study.spec.testbed.kind,
  startedAt: study.startedAt,
  version: study.version,
  restarts: countRestarts(slices),
  refused: [...refused],
});

/** A share of the maximum is the same cell in both runs, although it is another rate. */
const cellKey = (cell: CellSlices): string =>
  `${cell.network} ${cell.workload} ${cell.rateOfMax === null ? cell.rateRps : `${cell.rateOfMax} of the maximum`}`;

function withReference(cell: CellSlices, all: readonly CellSlices[], spec: References): ReferencedCell {
  const reference = referenceOf(spec, cell.network);
  const own = all.find((other) => other.network === reference && rateGroupKey(other) === rateGroupKey(cell));
  return { cell, reference: own === undefined || own === cell ? null : own };
}

function selectUnpaired(cells: readonly CellSlices[], others: readonly CellSlices[]): Comparison['onlyA'] {
  const known = new Set(others.map(cellKey));
  return cells
    .filter((cell) => !known.has(cellKey(cell)))
    .map(({ network, workload, rateRps, rateOfMax }) => ({ network, workload, rateRps, rateOfMax }));
}

function findChanges(host: string | null, a: Environment, b: Environment): Change[] {
  return unionKeys(a, b).flatMap((name) => {
    const [before, after] = [a[name] ?? null, b[name] ?? null];
    return before === after ? [] : [{ host, name, a: before, b: after }];
  });
}

/** Each setting as one value; structured ones as JSON. */
function toSettings({ spec, version }: StudyRecord): Environment {
  const { testbed, ...settings } = spec;
  const entries = Object.entries(settings).map(([name, value]): [string, Environment[string]] => [
    name,
    typeof value === 'object' ? JSON.stringify(value) : (value ?? null),
  ]);
  const options = flatten('testbed', testbed.options);
  return { version, ...Object.fromEntries(entries), testbed: testbed.kind, ...Object.fromEntries(options) };
}

/** The values of an object by their paths: `testbed.templates.pod-fast.pod.spec.runtimeClassName`. */
function flatten(path: string, value: unknown): [string, Environment[string]][] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.entries(value).flatMap(([key, inner]) => flatten(`${path}.${key}`, inner));
  if (value === undefined) return [];
  return [[path, typeof value === 'string' || value === null ? value : JSON.stringify(value)]];
}

const unionKeys = (a: object, b: object): string[] => [...new Set([...Object.keys(a), ...Object.keys(b)])];

function findWarnings(
  runs: readonly [Run, Run],
  pairs: readonly CellPair[],
  environment: readonly Change[],
  spec: readonly Change[],
): Finding[] {
  const namesOf = (changes: readonly Change[]): string[] => [...new Set(changes.map(({ name }) => name))];
  const maximaOf = ({ study }: Run): number[] =>
    Object.values(study.referenceMaxRps).map((rps) => Math.round(rps ?? 0));
  const warnings: Finding[] = [];
  if (pairs.length === 0) warnings.push({ code: 'nothing-in-common' });
  if (environment.length > 0) warnings.push({ code: 'hosts-differ', names: namesOf(environment) });
  if (spec.length > 0) warnings.push({ code: 'settings-differ', names: namesOf(spec) });
  if (pairs.some(({ sameLoad }) => !sameLoad))
    warnings.push({
      code: 'reference-maximum-differs',
      baseRps: maximaOf(runs[0]),
      newRps: maximaOf(runs[1]),
    });
  for (const { scope, slices } of runs) {
    const restarts = countRestarts(slices);
    if (restarts < FEW_RESTARTS) warnings.push({ code: 'few-restarts', restarts, scope });
  }
  for (const { scope, slices } of runs)
    warnings.push(...findUncountedSlices(slices).map((finding) => ({ ...finding, scope })));
  for (const { scope, study, cells } of runs) {
    const reference = cells.filter((cell) => cell.network === study.spec.reference);
    const { finding } = evaluateControl(reference, study.spec);
    if (finding !== null) warnings.push({ ...finding, scope });
  }
  return warnings;
}
