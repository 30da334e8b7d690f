import type { Finding, MeasuredSlice, SliceRecord, StudyRecord } from '../schema/index.js';
import type { Histogram } from './histogram.js';
import { Samples } from './samples.js';

/** A line of slices.jsonl with its two histograms; null where the slice has none. */
export interface SliceData {
  readonly record: SliceRecord;
  readonly response: Histogram | null;
  readonly service: Histogram | null;
  /** Why its histograms were refused; absent when they were read, or when it has none. */
  readonly refused?: readonly Finding[];
}

/** A slice that counts: measured, its self-check passed, with both histograms. */
export interface ValidSlice {
  readonly record: MeasuredSlice;
  readonly response: Samples;
  readonly service: Samples;
}

/** All slices of one network × workload × rate. */
export interface CellSlices {
  readonly network: string;
  readonly workload: string;
  readonly rateRps: number;
  readonly rateOfMax: number | null;
  readonly records: readonly SliceRecord[];
  readonly valid: readonly ValidSlice[];
  /** Mean over the valid slices; 0 without one. */
  readonly achievedRps: number;
  /** Whether at least 99 % of the rate was achieved and the backlog does not grow; null without a valid slice, or in a closed loop, which has no rate. */
  readonly sustained: boolean | null;
  /** Why histograms of slices of this cell were refused. */
  readonly refused: readonly Finding[];
}

/** The slices that were planned for a cell, without those of the search for a maximum. */
export const selectCellSlices = (slices: readonly SliceData[]): SliceData[] =>
  slices.filter(({ record }) => record.role !== 'search');

/** The number of restarts that have a slice. */
export const countRestarts = (slices: readonly SliceData[]): number =>
  new Set(selectCellSlices(slices).map(({ record }) => record.restart)).size;

/** Slices of the plan that were run, without repetitions. */
export const countRunSlices = (slices: readonly SliceData[]): number =>
  selectCellSlices(slices).filter(({ record }) => record.attempt === undefined).length;

/** Identifies the cells of different networks at the same workload and rate. */
export const rateGroupKey = (cell: Pick<CellSlices, 'workload' | 'rateRps'>): string =>
  `${cell.workload} at ${cell.rateRps}/s`;

/** The least share of the offered rate that a sustained cell achieves. */
const SUSTAINED_SHARE = 0.99;
/** A smaller growth of the backlog adds less than 0.3 ms in a slice of 140 ms. */
const GROWTH_SHARE = 0.002;
/** In standard errors: of a thousand sustained cells one exceeds it. */
const GROWTH_ERRORS = 3.3;
const LEAST_GROWTH_SLICES = 8;

/** How a study offers its load. */
export interface Offer {
  /** A generator without a rate. */
  readonly isClosedLoop: boolean;
  /** At random moments: a slice has more or fewer requests than its rate, by chance. */
  readonly isPoisson: boolean;
}

export const offerOf = ({ generator, spec }: StudyRecord): Offer => ({
  isClosedLoop: generator?.loop === 'closed',
  isPoisson: spec.arrival === 'poisson',
});

/** The rate that a slice was to achieve. */
export const offeredRps = ({ load, rateRps }: MeasuredSlice, { isPoisson }: Offer): number =>
  isPoisson ? load.intended / load.durationS : rateRps;

/** Whether requests are left over at the end of most slices, so that the latency depends on how long one waits. */
function growsBacklog(valid: readonly ValidSlice[], offer: Offer): boolean {
  const count = valid.length;
  if (count < LEAST_GROWTH_SLICES) return false;
  const left = valid.map(({ record }) => 1 - record.load.achievedRps / offeredRps(record, offer));
  const mean = left.reduce((sum, share) => sum + share, 0) / count;
  const square = left.reduce((sum, share) => sum + (share - mean) ** 2, 0) / (count - 1);
  return mean > GROWTH_SHARE && mean > GROWTH_ERRORS * Math.sqrt(square / count);
}

/** What replaces an estimate of a cell whose rate was not sustained; null for a sustained one. */
export const findUnsustained = (cell: CellSlices): Finding | null =>
  cell.sustained === false
    ? { code: 'not-sustained', achievedRps: Math.round(cell.achievedRps), offeredRps: cell.rateRps }
    : null;

/** The slices by cell, sorted by workload, rate and network, and within a cell by id: independent of their order. */
export function groupCells(slices: readonly SliceData[], offer: Offer): CellSlices[] {
  const groups = new Map<string, SliceData[]>();
  for (const slice of selectCellSlices(slices).toSorted((a, b) => compareText(a.record.id, b.record.id))) {
    const key = `${slice.record.network} ${rateGroupKey(slice.record)}`;
    groups.set(key, [...(groups.get(key) ?? []), slice]);
  }
  return [...groups.values()]
    .map((members): CellSlices => {
      const { network, workload, rateRps, rateOfMax } = members[0]!.record;
      const valid = members.flatMap(toValidSlice);
      const achievedRps =
        valid.reduce((sum, { record }) => sum + record.load.achievedRps, 0) / Math.max(valid.length, 1);
      return {
        network,
        workload,
        rateRps,
        rateOfMax,
        records: members.map(({ record }) => record),
        valid,
        achievedRps,
        sustained:
          valid.length === 0 || offer.isClosedLoop
            ? null
            : achievedRps >= SUSTAINED_SHARE * meanOffered(valid, offer) && !growsBacklog(valid, offer),
        refused: members.flatMap(({ refused = [] }) => refused),
      };
    })
    .sort(
      (a, b) =>
        compareText(a.workload, b.workload) || a.rateRps - b.rateRps || compareText(a.network, b.network),
    );
}

const meanOffered = (valid: readonly ValidSlice[], offer: Offer): number =>
  valid.reduce((sum, { record }) => sum + offeredRps(record, offer), 0) / valid.length;

function toValidSlice({ record, response, service }: SliceData): ValidSlice[] {
  if (record.status !== 'measured' || !record.valid || response === null || service === null) return [];
  const { intended } = record.load;
  return [{ record, response: Samples.from(response, intended), service: Samples.from(service, intended) }];
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
