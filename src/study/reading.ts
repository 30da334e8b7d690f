import { buildStudyDocument, renderFiles } from '../report/index.js';
import { BarewireError, type Finding, type SliceRecord, type Summary } from '../schema/index.js';
import { Histogram, type StudyData, type SliceData, addInstructions, summarize } from '../stats/index.js';
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
  for (const record of records) slices.push(await readSlice(directory, record, counted));
  const all = [
    ...refused,
    ...(torn === null ? [] : [torn]),
    ...slices.flatMap((slice) => slice.refused ?? []),
  ];
  return { study, slices, directory: directory.path, refused: all };
}

async function readSlice(
  directory: ResultsDirectory,
  record: SliceRecord,
  counted: boolean,
): Promise<SliceData> {
  if (record.status !== 'measured') return { record, response: null, service: null };
  const expected = counted ? record.load.requests : null;
  const [response, service] = [
    await readHistogram(directory, `histograms/${record.id}.response.hdr`, expected),
    await readHistogram(directory, `histograms/${record.id}.service.hdr`, expected),
  ];
  if (response instanceof Histogram && service instanceof Histogram) return { record, response, service };
  const refused = [response, service].flatMap((read) => (read instanceof Histogram ? [] : [read]));
  return { record, response: null, service: null, refused };
}

async function readHistogram(
  directory: ResultsDirectory,
  file: string,
  expected: number | null,
): Promise<Histogram | Finding> {
  try {
    const histogram = Histogram.decode((await directory.readText(file)).trim());
    const { count } = histogram;
    if (expected === null || count === expected) return histogram;
    return { code: 'sample-count-differs', file, samples: count, responses: expected };
  } catch (error) {
    // A lack of memory or a defect of Barewire is no fault of the file.
    if (!(error instanceof BarewireError) || error.fault !== 'user') throw error;
    return error.code === 'no-such-file'
      ? { code: 'file-missing', file }
      : { code: 'file-undecodable', file, problem: error.message };
  }
}

/** Writes summary.json and the reports beside the slices. */
export async function writeReports(directory: ResultsDirectory): Promise<Summary> {
  const { study, slices, refused } = await readResults(directory);
  const planned = planSlices(study.spec, measurable(study.networks), study.referenceMaxRps).length;
  const summary = addInstructions(
    summarize(study, slices, { plannedSlices: planned, refused }),
    await directory.readCost(),
  );
  await directory.writeReport('summary.json', `${JSON.stringify(summary, null, 2)}\n`);
  for (const { name, content } of renderFiles(buildStudyDocument(summary)))
    await directory.writeReport(name, content);
  return summary;
}
