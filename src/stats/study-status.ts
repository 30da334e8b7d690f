import type { Finding, NetworkStatus, NetworkSummary, StudyRecord } from '../schema/index.js';
import { median } from './clustered.js';
import { findWidest } from './precision.js';
import { countRestarts, countRunSlices, selectCellSlices, type CellSlices, type SliceData } from './cells.js';

/** A longer time without a slice is a pause before a resume, not time that the study took. */
const PAUSE_S = 300;

export interface StudyProgress {
  readonly plannedSlices: number;
  readonly wallS: number;
  /** Share of the wall time in recorded windows, 0 to 1. */
  readonly measuringShare: number;
}

export function computeProgress(study: StudyRecord, slices: readonly SliceData[]): StudyProgress {
  const wallS = computeWallS(study, slices);
  const measuredS = slices.reduce((sum, { record }) => sum + record.measuredMs, 0) / 1000;
  return {
    plannedSlices: countPlanned(study),
    wallS,
    measuringShare: wallS > 0 ? Math.min(1, measuredS / wallS) : 0,
  };
}

/** Each network that can run, and the reference twice, at each rate of each workload, in each round. */
function countPlanned({ spec, networks }: StudyRecord): number {
  const runs = networks.filter(({ name, support }) => spec.networks.includes(name) && support !== 'no');
  const perRestart = runs.length + (runs.some(({ name }) => name === spec.reference) ? 1 : 0);
  const rates = spec.workloads.reduce((sum, workload) => sum + (spec.rates[workload]?.length ?? 0), 0);
  return spec.restarts * spec.rounds * rates * perRestart;
}

/** From the start of the study to the end of its last slice, without the pauses before a resume. */
function computeWallS(study: StudyRecord, slices: readonly SliceData[]): number {
  let end = Date.parse(study.startedAt) / 1000;
  let wallS = 0;
  const spans = slices.map(({ record }) => ({
    start: Date.parse(record.startedAt) / 1000,
    seconds: record.wallMs / 1000,
  }));
  for (const { start, seconds } of spans.sort((a, b) => a.start - b.start)) {
    const between = Math.max(0, start - end);
    wallS += (between > PAUSE_S ? 0 : between) + seconds;
    end = start + seconds;
  }
  return wallS;
}

function findMissedPrecision(study: StudyRecord, slices: readonly SliceData[]): Finding | null {
  const { precision } = study.spec;
  if (precision === undefined || study.stoppedAfter !== undefined) return null;
  const share = findWidest(study, slices, precision);
  return share === null || share <= precision.share
    ? null
    : { code: 'precision-missed', latency: precision.latency, share, wantedShare: precision.share };
}

/** Findings about the study as a whole, for the top of a report. */
export function findStudyWarnings(
  study: StudyRecord,
  slices: readonly SliceData[],
  { plannedSlices, searches }: { readonly plannedSlices: number; readonly searches: number },
): Finding[] {
  const run = countRunSlices(slices);
  const warnings: Finding[] = [];
  if (!study.spec.networks.includes(study.spec.reference)) warnings.push({ code: 'no-reference' });
  if (countRestarts(slices) === 1) warnings.push({ code: 'single-restart' });
  const missed = findMissedPrecision(study, slices);
  if (missed !== null) warnings.push(missed);
  if (run < plannedSlices) warnings.push({ code: 'study-incomplete', slices: run, planned: plannedSlices });
  else if (searches > 0) warnings.push({ code: 'searches-incomplete', searches });
  return [...warnings, ...findUncountedSlices(slices)];
}

/** The slices that count in no estimate. */
export function findUncountedSlices(slices: readonly SliceData[]): Finding[] {
  const cells = selectCellSlices(slices);
  const failed = slices.filter(({ record }) => record.status === 'failed').length;
  const invalid = cells.filter(({ record }) => record.status === 'measured' && !record.valid).length;
  return [
    ...(failed === 0 ? [] : [{ code: 'slices-failed' as const, failed, slices: slices.length }]),
    ...(invalid === 0 ? [] : [{ code: 'slices-invalid' as const, invalid, slices: cells.length }]),
  ];
}

/** Whether a network was measured, and if not, the finding that explains it. */
export function computeStatus(
  known: NetworkStatus | undefined,
  cells: readonly CellSlices[],
): Pick<NetworkSummary, 'status' | 'finding'> {
  const records = cells.flatMap((cell) => cell.records);
  if (known?.support === 'no' && records.length === 0)
    return { status: 'unsupported', finding: known.finding };
  if (records.some((record) => record.status === 'measured')) return { status: 'measured', finding: null };
  const failures = records.flatMap((record) => (record.status === 'failed' ? [record.finding] : []));
  return { status: 'failed', finding: mostFrequent(failures) ?? { code: 'no-slice-run' } };
}

/** Medians over the slices that were set up. */
export function computeSetupCost(cells: readonly CellSlices[]): NetworkSummary['setup'] {
  const setups = cells.flatMap((cell) => cell.records).flatMap(({ setup }) => setup ?? []);
  if (setups.length === 0) return null;
  return {
    steps: Math.round(median(setups.map((setup) => setup.steps))),
    ms: median(setups.map((setup) => setup.setUpMs)),
    ...sourceAddressOf(setups),
    ...pathOf(cells),
    tearDownMs: medianOrNull(setups.flatMap((setup) => setup.tearDownMs ?? [])),
  };
}

/** `own` when every set-up was seen with its own address; otherwise the first other one. */
function sourceAddressOf(setups: readonly { readonly sourceAddress?: string | undefined }[]) {
  const seen = setups.flatMap(({ sourceAddress }) => sourceAddress ?? []);
  const sourceAddress = seen.find((address) => address !== 'own') ?? seen[0];
  return sourceAddress === undefined ? {} : { sourceAddress };
}

/** Of the last restart: the devices of pods have other names in each. */
function pathOf(cells: readonly CellSlices[]) {
  const set = cells.flatMap((cell) => cell.records).filter(({ setup }) => setup?.path !== undefined);
  const last = set.toSorted((one, other) => other.restart - one.restart || one.round - other.round)[0];
  const path = last?.setup?.path;
  return path === undefined ? {} : { path };
}

const medianOrNull = (values: readonly number[]): number | null =>
  values.length === 0 ? null : median(values);

/** Of equally frequent ones the first in text order, so that the order of the slices does not matter. */
function mostFrequent(findings: readonly Finding[]): Finding | null {
  const texts = findings.map((finding) => JSON.stringify(finding));
  const times = (text: string): number => texts.filter((other) => other === text).length;
  const [first] = [...new Set(texts)].sort().toSorted((a, b) => times(b) - times(a));
  return findings[texts.findIndex((text) => text === first)] ?? null;
}
