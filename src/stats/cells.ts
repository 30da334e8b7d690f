import type { MeasuredSlice, SliceRecord } from '../schema/index.js';
import type { Histogram } from './histogram.js';
import { Samples } from './samples.js';

/** A line of slices.jsonl with its two histograms; null where the slice has none. */
export interface SliceData {
  readonly record: SliceRecord;
  readonly response: Histogram | null;
  readonly service: Histogram | null;
  /** Why its histograms were not taken; absent where they were, or where it has none. */
  readonly refused?: string;
}

/** A slice that counts: measured, vouched for, with both its histograms. */
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
  /** Why the histograms of slices of this cell were not taken. */
  readonly refused: readonly string[];
}

/** The slices that were made for a cell: not those that search a maximum. */
export const ofCells = (slices: readonly SliceData[]): SliceData[] =>
  slices.filter(({ record }) => record.role !== 'search');

/** How many restarts have a slice. */
export const restartCount = (slices: readonly SliceData[]): number =>
  new Set(ofCells(slices).map(({ record }) => record.restart)).size;

/** Says which cells of two networks are of the same workload and rate. */
export const loadKey = (cell: Pick<CellSlices, 'workload' | 'rateRps'>): string =>
  `${cell.workload} at ${cell.rateRps}/s`;

/** The slices by cell, in an order that does not depend on theirs: by workload, rate, and in a cell by slice id. */
export function groupCells(slices: readonly SliceData[]): CellSlices[] {
  const groups = new Map<string, SliceData[]>();
  for (const slice of ofCells(slices).toSorted(byId)) {
    const key = `${slice.record.network} ${loadKey(slice.record)}`;
    groups.set(key, [...(groups.get(key) ?? []), slice]);
  }
  return [...groups.values()].map(cellOf).sort(byLoad);
}

function cellOf(slices: readonly SliceData[]): CellSlices {
  const { network, workload, rateRps, rateOfMax } = slices[0]!.record;
  const records = slices.map((slice) => slice.record);
  const refused = slices.flatMap((slice) => slice.refused ?? []);
  return { network, workload, rateRps, rateOfMax, records, valid: slices.flatMap(validSlice), refused };
}

function validSlice({ record, response, service }: SliceData): ValidSlice[] {
  if (record.status !== 'measured' || !record.valid || response === null || service === null) return [];
  const { intended } = record.load;
  return [{ record, response: Samples.of(response, intended), service: Samples.of(service, intended) }];
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byId = (a: SliceData, b: SliceData): number => compare(a.record.id, b.record.id);
const byLoad = (a: CellSlices, b: CellSlices): number =>
  compare(a.workload, b.workload) || a.rateRps - b.rateRps || compare(a.network, b.network);
