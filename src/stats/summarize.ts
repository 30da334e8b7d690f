import {
  LATENCY_KEYS,
  QUANTILE_NAMES,
  type Cell,
  type LatencyKey,
  type NetworkSummary,
  type StudyRecord,
  type Summary,
  type Verdict,
} from '../schema/index.js';
import { cellSummary, type Compared } from './cell-summary.js';
import { groupCells, loadKey, type CellTrials, type TrialData } from './cells.js';
import { controlOf } from './control.js';
import { ratioEstimate, type Estimated } from './estimate.js';
import { setupOf, statusOf } from './network-status.js';
import { progressOf, triedOf } from './progress.js';
import { seriesOf } from './series.js';
import { verdicts } from './verdicts.js';
import { warningsOf } from './warnings.js';

/** The network that every ratio is against. */
export const REFERENCE = 'host';

export interface SummaryOptions {
  /** How many trials the plan has; by default all that the spec asks for of the networks that can run. */
  readonly plannedTrials?: number;
}

/**
 * What a study says: pure, without chance in it, whatever the order of the trials.
 *
 * Latencies are geometric means over the blocks of each trial's quantile where each trial carries it, else the quantile of
 * all samples together; intervals are Student's over blocks on the log scale. Ratios are of pairs in the same block.
 */
export function summarize(
  study: StudyRecord,
  trials: readonly TrialData[],
  options: SummaryOptions = {},
): Summary {
  const cells = groupCells(trials);
  const compared = compareAll(cells, study.spec.margin, withheld(study));
  const reference = cells.filter((cell) => cell.network === REFERENCE);
  const { control, warning } = controlOf(reference, study.spec.margin);
  const progress = { ...progressOf(study, trials), ...options };
  return {
    schema: 1,
    study: study.spec.name,
    testbed: study.spec.testbed,
    startedAt: study.startedAt,
    reference: REFERENCE,
    blocks: new Set(trials.map(({ record }) => record.block)).size,
    complete: triedOf(trials) >= progress.plannedTrials,
    ...progress,
    trials: triedOf(trials),
    warnings: [...(warning === null ? [] : [warning]), ...warningsOf(study, trials, progress.plannedTrials)],
    cannotTell: study.cannotTell,
    ...(study.generator === undefined ? {} : { generator: study.generator }),
    networks: namesOf(study, cells).map((name) => networkSummary(name, study, cells, compared)),
    control,
    environment: study.environment,
  };
}

/** In the order of the study, then what only the trials know of. */
function namesOf(study: StudyRecord, cells: readonly CellTrials[]): string[] {
  return [...new Set([...study.networks.map(({ name }) => name), ...cells.map(({ network }) => network)])];
}

function networkSummary(
  name: string,
  study: StudyRecord,
  all: readonly CellTrials[],
  compared: ReadonlyMap<CellTrials, Compared>,
): NetworkSummary {
  const known = study.networks.find((network) => network.name === name);
  const cells = all.filter((cell) => cell.network === name);
  return {
    name,
    what: known?.what ?? '',
    ...statusOf(known, cells),
    setup: setupOf(cells),
    maxRps: maxRps(name, study),
    cells: cells.map((cell): Cell => cellSummary(cell, compared.get(cell) ?? NOT_COMPARED)),
  };
}

// The closed-loop maximum of the first workload that has one: the others need trials that look for it.
function maxRps(name: string, { spec, referenceMaxRps }: StudyRecord): NetworkSummary['maxRps'] {
  const known = spec.workloads.flatMap((workload) => referenceMaxRps[workload] ?? []);
  const [value] = name === REFERENCE ? known : [];
  return value === undefined ? null : { value, low: null, high: null };
}

const NOT_COMPARED: Compared = { ratios: new Map(), verdicts: new Map() };

/** All cells against the reference at the same workload and rate; their verdicts are one family. */
function compareAll(
  cells: readonly CellTrials[],
  margin: number,
  why: string | null,
): Map<CellTrials, Compared> {
  const references = new Map(
    cells.filter((cell) => cell.network === REFERENCE).map((cell) => [loadKey(cell), cell]),
  );
  const ratios = new Map<CellTrials, Map<LatencyKey, Estimated>>();
  for (const cell of cells) {
    const reference = references.get(loadKey(cell));
    if (reference === undefined || reference === cell) continue;
    ratios.set(
      cell,
      why === null ? ratiosOf(cell, reference) : new Map(LATENCY_KEYS.map((key) => [key, { why }])),
    );
  }
  return judge(ratios, margin);
}

/** Why no ratio of times is offered, or null: an emulator's time for an instruction is not in proportion to a CPU's. */
const withheld = ({ environment }: StudyRecord): string | null =>
  Object.values(environment).some(({ accel }) => accel === 'tcg')
    ? 'the hosts are emulated: their times are not in proportion to those of a machine'
    : null;

function ratiosOf(cell: CellTrials, reference: CellTrials): Map<LatencyKey, Estimated> {
  const [above, below] = [seriesOf(cell, 'response'), seriesOf(reference, 'response')];
  return new Map(LATENCY_KEYS.map((key) => [key, ratioEstimate(above, below, key)]));
}

// The maximum is one request: it has a ratio, but no verdict rests on it.
function judge(
  ratios: ReadonlyMap<CellTrials, ReadonlyMap<LatencyKey, Estimated>>,
  margin: number,
): Map<CellTrials, Compared> {
  const family = [...ratios].flatMap(([cell, estimates]) =>
    QUANTILE_NAMES.flatMap((key) => {
      const estimate = estimates.get(key);
      return estimate === undefined || 'why' in estimate ? [] : [{ cell, key, estimate }];
    }),
  );
  const found = verdicts(
    family.map(({ estimate }) => estimate),
    margin,
  );
  return new Map(
    [...ratios].map(([cell, estimates]) => {
      const own = family.flatMap((one, at): [LatencyKey, Verdict][] =>
        one.cell === cell ? [[one.key, found[at]!]] : [],
      );
      return [cell, { ratios: estimates, verdicts: new Map(own) }];
    }),
  );
}
