import {
  printObjective,
  type Cell,
  type NetworkSummary,
  type Refusal,
  type StudyRecord,
  type Summary,
} from '../schema/index.js';
import { cellSummary } from './cell-summary.js';
import { restartCount, groupCells, type CellSlices, type SliceData } from './cells.js';
import { controlOf } from './control.js';
import { maximaOf, type NetworkMaxima } from './max-rate.js';
import { openSearches } from './maximum-search.js';
import { setupOf, statusOf } from './network-status.js';
import { progressOf, triedOf } from './progress.js';
import { evidenceOf } from './rate-evidence.js';
import { compareToReference, NOT_COMPARED, REFERENCE, withheld, type Compared } from './reference-ratios.js';
import { refusalWarnings, warningsOf } from './warnings.js';

export interface SummaryOptions {
  /** How many slices the plan has; by default all that the spec asks for of the networks that can run. */
  readonly plannedSlices?: number;
  /** What of the results directory could not be read. */
  readonly refused?: readonly Refusal[];
}

/**
 * What a study says: pure, without chance in it, whatever the order of the slices.
 *
 * Latencies are geometric means over the restarts of each slice's quantile where each slice carries it, else the quantile of
 * all samples together; intervals are Student's over restarts on the log scale. Ratios are of pairs in the same restart.
 */
export function summarize(
  study: StudyRecord,
  slices: readonly SliceData[],
  { refused = [], ...options }: SummaryOptions = {},
): Summary {
  const cells = groupCells(slices);
  const compared = compareToReference(cells, study.spec.margin, withheld(study));
  const reference = cells.filter((cell) => cell.network === REFERENCE);
  const { control, warning } = controlOf(reference, study.spec.margin);
  const progress = { ...progressOf(study, slices), ...options };
  const evidence = slices.flatMap((slice) => evidenceOf(slice, study.spec.objective) ?? []);
  const searching = openSearches(study, evidence).length;
  const maximumFor = maximaOf(study, evidence);
  return {
    schema: 1,
    study: study.spec.name,
    testbed: study.spec.testbed,
    ...(study.spec.ip === 6 ? { ip: study.spec.ip } : {}),
    startedAt: study.startedAt,
    reference: REFERENCE,
    restarts: restartCount(slices),
    margin: study.spec.margin,
    complete: triedOf(slices) >= progress.plannedSlices && searching === 0,
    ...progress,
    slices: triedOf(slices),
    warnings: [
      ...(warning === null ? [] : [warning]),
      ...warningsOf(study, slices, { plannedSlices: progress.plannedSlices, searching }),
      ...refusalWarnings(refused),
    ],
    ...(study.spec.objective === undefined ? {} : { objective: printObjective(study.spec.objective) }),
    refused: [...refused],
    limitations: study.limitations,
    ...(study.generator === undefined ? {} : { generator: study.generator }),
    networks: namesOf(study, cells).map((name) =>
      networkSummary(name, study, cells, compared, maximumFor(name)),
    ),
    control,
    environment: study.environment,
  };
}

/** In the order of the study, then what only the slices know of. */
function namesOf(study: StudyRecord, cells: readonly CellSlices[]): string[] {
  return [...new Set([...study.networks.map(({ name }) => name), ...cells.map(({ network }) => network)])];
}

function networkSummary(
  name: string,
  study: StudyRecord,
  all: readonly CellSlices[],
  compared: ReadonlyMap<CellSlices, Compared>,
  maxima: NetworkMaxima,
): NetworkSummary {
  const known = study.networks.find((network) => network.name === name);
  const cells = all.filter((cell) => cell.network === name);
  return {
    name,
    what: known?.what ?? '',
    ...statusOf(known, cells),
    setup: setupOf(cells),
    ...maxima,
    cells: cells.map((cell): Cell => cellSummary(cell, compared.get(cell) ?? NOT_COMPARED)),
  };
}
