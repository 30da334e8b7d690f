import { setImmediate as nextTurn } from 'node:timers/promises';
import { buildStudyDocument, renderExports, renderFiles } from '../report/index.js';
import { BarewireError, type Finding, type SliceRecord, type Summary } from '../schema/index.js';
import {
  Histogram,
  type StudyData,
  type SliceData,
  addInstructions,
  listSliceFigures,
  summarize,
} from '../stats/index.js';
import { LATENCY_LOG, type LatencyKind } from './latency-log.js';
import { measurable, planSlices } from './plan-slices.js';
import type { ResultsDirectory } from './results.js';

/**
 * Reads a results directory for analysis. Files and lines that are damaged, incomplete, missing or of another
 * version become findings, and the rest is used.
 *
 * @throws BarewireError without a readable study.json, which describes the slices
 */
export async function readResults(directory: ResultsDirectory): Promise<Required<StudyData>> {
  const study = await directory.readStudy();
  const { records, refused, torn } = await directory.readRecords();
  // An external generator may count responses by bytes. Only Barewire's own has one sample for each response.
  const counted = study.generator === undefined;
  const slices: SliceData[] = [];
  const latencies = await directory.readLatencies();
  for (const [at, record] of records.entries()) {
    slices.push(readSlice(record, latencies?.get(record.id) ?? {}, counted));
    // Decoding takes milliseconds each. Hosts are being closed meanwhile.
    if (at % 10 === 9) await nextTurn();
  }
  const all = [
    ...refused,
    ...(torn === null ? [] : [torn]),
    ...slices.flatMap((slice) => slice.refused ?? []),
  ];
  return { study, slices, directory: directory.path, refused: all };
}

function readSlice(
  record: SliceRecord,
  encoded: Readonly<Partial<Record<LatencyKind, string>>>,
  counted: boolean,
): SliceData {
  if (record.status !== 'measured') return { record, response: null, service: null };
  const expected = counted ? record.load.requests : null;
  const read = (kind: LatencyKind): Histogram | Finding =>
    readHistogram(encoded[kind], `${LATENCY_LOG}, ${kind} of ${record.id}`, expected);
  const [response, service] = [read('response'), read('service')];
  if (response instanceof Histogram && service instanceof Histogram) return { record, response, service };
  const refused = [response, service].flatMap((one) => (one instanceof Histogram ? [] : [one]));
  return { record, response: null, service: null, refused };
}

function readHistogram(
  encoded: string | undefined,
  file: string,
  expected: number | null,
): Histogram | Finding {
  if (encoded === undefined) return { code: 'file-missing', file };
  try {
    const histogram = Histogram.decode(encoded);
    const { count } = histogram;
    if (expected === null || count === expected) return histogram;
    return { code: 'sample-count-differs', file, samples: count, responses: expected };
  } catch (error) {
    // A lack of memory or a defect of Barewire is no fault of the file.
    if (!(error instanceof BarewireError) || error.fault !== 'user') throw error;
    return { code: 'file-undecodable', file, problem: error.message };
  }
}

/** Writes summary.json and the reports beside the slices. */
export async function writeReports(directory: ResultsDirectory): Promise<Summary> {
  const { study, slices, refused } = await readResults(directory);
  const planned = planSlices(
    study.spec,
    measurable(study.networks),
    study.referenceMaxRps,
    study.stoppedAfter,
  ).length;
  const summary = addInstructions(
    summarize(study, slices, { plannedSlices: planned, refused }),
    await directory.readCost(),
  );
  await directory.writeReport('summary.json', `${JSON.stringify(summary, null, 2)}\n`);
  const files = [
    ...renderFiles(buildStudyDocument(summary)),
    ...renderExports(summary, listSliceFigures(slices)),
  ];
  for (const { name, content } of files) await directory.writeReport(name, content);
  return summary;
}
