import { BarewireError, type Refusal, type SliceRecord } from '../schema/index.js';
import { Histogram, type StudyData, type SliceData } from '../stats/index.js';
import type { ResultsDirectory } from './results.js';

/**
 * Reads a results directory for analysis: what of it is damaged, cut off, missing or of another version is refused by
 * name, and the rest is taken.
 *
 * @throws BarewireError without a study.json that can be read: nothing says what the slices are.
 */
export async function readResults(directory: ResultsDirectory): Promise<Required<StudyData>> {
  const study = await directory.readStudy();
  const { records, refused, torn } = await directory.readRecords();
  const all: Refusal[] = [...refused, ...(torn === null ? [] : [torn])];
  const slices: SliceData[] = [];
  // A tool of another make may count its answers by bytes: only our own generator has one sample for each.
  const counted = study.generator === undefined;
  for (const record of records) {
    const { slice, refusals } = await readSlice(directory, record, counted);
    slices.push(slice);
    all.push(...refusals);
  }
  return { study, slices, directory: directory.path, refused: all };
}

interface ReadSlice {
  readonly slice: SliceData;
  readonly refusals: readonly Refusal[];
}

async function readSlice(
  directory: ResultsDirectory,
  record: SliceRecord,
  counted: boolean,
): Promise<ReadSlice> {
  if (record.status !== 'measured') return { slice: { record, response: null, service: null }, refusals: [] };
  const expected = counted ? record.load.requests : null;
  const [response, service] = [
    await readHistogram(directory, `histograms/${record.id}.response.hdr`, expected),
    await readHistogram(directory, `histograms/${record.id}.service.hdr`, expected),
  ];
  if (response instanceof Histogram && service instanceof Histogram)
    return { slice: { record, response, service }, refusals: [] };
  const refusals = [response, service].filter((read): read is Refusal => !(read instanceof Histogram));
  const refused = refusals.map(({ file, why }) => `${file} was refused: ${why}`).join('; ');
  return { slice: { record, response: null, service: null, refused }, refusals };
}

async function readHistogram(
  directory: ResultsDirectory,
  file: string,
  expected: number | null,
): Promise<Histogram | Refusal> {
  try {
    const histogram = Histogram.decode((await directory.readText(file)).trim());
    const { count } = histogram;
    if (expected === null || count === expected) return histogram;
    return { file, why: `it holds ${count} samples, and its slice has ${expected} answers` };
  } catch (error) {
    // Out of memory or a mistake of ours is no fault of the file.
    if (!(error instanceof BarewireError) || error.fault !== 'user') throw error;
    return { file, why: error.code === 'no-such-file' ? 'it is missing, or cannot be read' : error.message };
  }
}
