import type { StudyRecord } from '../schema/index.js';
import { ofCells, type SliceData } from './cells.js';

/** Longer without a slice than this is a pause between two sittings, not time that the study took. */
const PAUSE_S = 300;

export interface Progress {
  readonly plannedSlices: number;
  readonly wallS: number;
  readonly measuringShare: number;
}

/** Slices of the plan that were tried, however often each. */
export const triedOf = (slices: readonly SliceData[]): number =>
  ofCells(slices).filter(({ record }) => record.attempt === undefined).length;

export function progressOf(study: StudyRecord, slices: readonly SliceData[]): Progress {
  const wallS = wallSeconds(study, slices);
  const measuredS = slices.reduce((sum, { record }) => sum + record.measuredMs, 0) / 1000;
  return {
    plannedSlices: planned(study),
    wallS,
    measuringShare: wallS > 0 ? Math.min(1, measuredS / wallS) : 0,
  };
}

/** Each network that can run, and the reference once more, at each rate of each workload, in each restart. */
function planned({ spec, networks }: StudyRecord): number {
  const runs = networks.filter(({ name, support }) => spec.networks.includes(name) && support !== 'no');
  const inRestart = runs.length + (runs.some(({ name }) => name === 'host') ? 1 : 0);
  const loads = spec.workloads.reduce((sum, workload) => sum + (spec.rates[workload]?.length ?? 0), 0);
  return spec.restarts * loads * inRestart;
}

/** From the start of the study to the end of its last slice, without the pauses before a resume. */
function wallSeconds(study: StudyRecord, slices: readonly SliceData[]): number {
  let end = Date.parse(study.startedAt) / 1000;
  let wallS = 0;
  const spans = slices.map(({ record }) => ({
    start: Date.parse(record.startedAt) / 1000,
    lasts: record.wallMs / 1000,
  }));
  for (const { start, lasts } of spans.sort((a, b) => a.start - b.start)) {
    const between = Math.max(0, start - end);
    wallS += (between > PAUSE_S ? 0 : between) + lasts;
    end = start + lasts;
  }
  return wallS;
}
