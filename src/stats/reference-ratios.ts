import {
  LATENCY_KEYS,
  QUANTILE_NAMES,
  type LatencyKey,
  type StudyRecord,
  type Verdict,
} from '../schema/index.js';
import { loadKey, type CellSlices } from './cells.js';
import { cpuRatioEstimate } from './cpu.js';
import { ratioEstimate, type LogEstimateOrReason } from './estimate.js';
import { seriesOf } from './series.js';
import { verdicts } from './verdicts.js';

/** The network that every ratio is against. */
export const REFERENCE = 'host';

/** A cell's ratios to the reference, and what was concluded from them; empty for the reference itself. */
export interface Compared {
  readonly ratios: ReadonlyMap<LatencyKey, LogEstimateOrReason>;
  readonly verdicts: ReadonlyMap<LatencyKey, Verdict>;
  readonly cpu: LogEstimateOrReason | null;
}

type Ratios = Pick<Compared, 'ratios' | 'cpu'>;

export const NOT_COMPARED: Compared = { ratios: new Map(), verdicts: new Map(), cpu: null };

/** All cells against the reference at the same workload and rate; their verdicts are one family. */
export function compareToReference(
  cells: readonly CellSlices[],
  margin: number,
  why: string | null,
): Map<CellSlices, Compared> {
  const references = new Map(
    cells.filter((cell) => cell.network === REFERENCE).map((cell) => [loadKey(cell), cell]),
  );
  const ratios = new Map<CellSlices, Ratios>();
  for (const cell of cells) {
    const reference = references.get(loadKey(cell));
    if (reference === undefined || reference === cell) continue;
    ratios.set(cell, why === null ? ratiosOf(cell, reference) : allBecause(why));
  }
  return judge(ratios, margin);
}

function ratiosOf(cell: CellSlices, reference: CellSlices): Ratios {
  const [above, below] = [seriesOf(cell, 'response'), seriesOf(reference, 'response')];
  const ratios = new Map(LATENCY_KEYS.map((key) => [key, ratioEstimate(above, below, key)]));
  return { ratios, cpu: cpuRatioEstimate(cell, reference) };
}

const allBecause = (why: string): Ratios => ({
  ratios: new Map(LATENCY_KEYS.map((key) => [key, { why }])),
  cpu: { why },
});

// The maximum is one request: it has a ratio, but no verdict rests on it.
function judge(all: ReadonlyMap<CellSlices, Ratios>, margin: number): Map<CellSlices, Compared> {
  const family = [...all].flatMap(([cell, { ratios }]) =>
    QUANTILE_NAMES.flatMap((key) => {
      const estimate = ratios.get(key);
      return estimate === undefined || 'why' in estimate ? [] : [{ cell, key, estimate }];
    }),
  );
  const found = verdicts(
    family.map(({ estimate }) => estimate),
    margin,
  );
  return new Map(
    [...all].map(([cell, ratios]) => {
      const own = family.flatMap((one, at): [LatencyKey, Verdict][] =>
        one.cell === cell ? [[one.key, found[at]!]] : [],
      );
      return [cell, { ...ratios, verdicts: new Map(own) }];
    }),
  );
}

/** Why no ratio of times is offered, or null: an emulator's time for an instruction is not in proportion to a CPU's. */
export const withheld = ({ environment }: StudyRecord): string | null =>
  Object.values(environment).some(({ accel }) => accel === 'tcg')
    ? 'the hosts are emulated: their times are not in proportion to those of a machine'
    : null;
