import type { MeasuredTrial, TrialRecord } from '../schema/index.js';
import type { Histogram } from './histogram.js';
import { Samples } from './samples.js';

/** A line of trials.jsonl with its two histograms; null where the trial has none. */
export interface TrialData {
  readonly record: TrialRecord;
  readonly response: Histogram | null;
  readonly service: Histogram | null;
  /** Why its histograms were not taken; absent where they were, or where it has none. */
  readonly refused?: string;
}

/** A trial that counts: measured, vouched for, with both its histograms. */
export interface ValidTrial {
  readonly record: MeasuredTrial;
  readonly response: Samples;
  readonly service: Samples;
}

/** All trials of one network × workload × rate. */
export interface CellTrials {
  readonly network: string;
  readonly workload: string;
  readonly rateRps: number;
  readonly rateOfMax: number | null;
  readonly records: readonly TrialRecord[];
  readonly valid: readonly ValidTrial[];
  /** Why the histograms of trials of this cell were not taken. */
  readonly refused: readonly string[];
}

/** The trials that were made for a cell: not those that search a maximum. */
export const ofCells = (trials: readonly TrialData[]): TrialData[] =>
  trials.filter(({ record }) => record.role !== 'search');

/** How many blocks have a trial. */
export const blockCount = (trials: readonly TrialData[]): number =>
  new Set(ofCells(trials).map(({ record }) => record.block)).size;

/** Says which cells of two networks are of the same workload and rate. */
export const loadKey = (cell: Pick<CellTrials, 'workload' | 'rateRps'>): string =>
  `${cell.workload} at ${cell.rateRps}/s`;

/** The trials by cell, in an order that does not depend on theirs: by workload, rate, and in a cell by trial id. */
export function groupCells(trials: readonly TrialData[]): CellTrials[] {
  const groups = new Map<string, TrialData[]>();
  for (const trial of ofCells(trials).toSorted(byId)) {
    const key = `${trial.record.network} ${loadKey(trial.record)}`;
    groups.set(key, [...(groups.get(key) ?? []), trial]);
  }
  return [...groups.values()].map(cellOf).sort(byLoad);
}

function cellOf(trials: readonly TrialData[]): CellTrials {
  const { network, workload, rateRps, rateOfMax } = trials[0]!.record;
  const records = trials.map((trial) => trial.record);
  const refused = trials.flatMap((trial) => trial.refused ?? []);
  return { network, workload, rateRps, rateOfMax, records, valid: trials.flatMap(validTrial), refused };
}

function validTrial({ record, response, service }: TrialData): ValidTrial[] {
  if (record.status !== 'measured' || !record.valid || response === null || service === null) return [];
  const { intended } = record.load;
  return [{ record, response: Samples.of(response, intended), service: Samples.of(service, intended) }];
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byId = (a: TrialData, b: TrialData): number => compare(a.record.id, b.record.id);
const byLoad = (a: CellTrials, b: CellTrials): number =>
  compare(a.workload, b.workload) || a.rateRps - b.rateRps || compare(a.network, b.network);
