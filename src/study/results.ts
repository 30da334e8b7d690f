import { open, readFile, rename, stat, truncate, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder } from '../machine/index.js';
import { describeFinding } from '../report/index.js';
import type { Histogram } from '../stats/index.js';
import type { z } from 'zod';
import {
  type BarewireError,
  costSchema,
  studyRecordSchema,
  sliceRecordSchema,
  type Cost,
  type LoadResult,
  type Finding,
  type StudyRecord,
  type SliceRecord,
  summarySchema,
  type Summary,
  machineError,
  userError,
  fileFault,
} from '../schema/index.js';
import {
  LATENCY_LOG,
  type LatencyKind,
  latencyLogHeader,
  latencyLogLines,
  parseLatencyLog,
} from './latency-log.js';

/** The histograms of a slice, as the generator encoded them and as they are. */
export interface SliceHistograms {
  readonly encoded: Pick<LoadResult, LatencyKind>;
  readonly decoded: Readonly<Record<LatencyKind, Histogram>>;
}

/** The version of the formats in a results directory. */
const SCHEMA_VERSION = 2;

/** The lines of slices.jsonl: valid records, and findings about the others. */
export interface ReadRecords {
  readonly records: readonly SliceRecord[];
  readonly refused: readonly Finding[];
  /** The beginning of a last line that a crash cut off; null where there is none. */
  readonly torn: Finding | null;
}

/** `results/quick-20151204T093000Z`: the study's name and the UTC time. */
export const directoryName = (study: string, at: Date): string =>
  `${study}-${at.toISOString().replace(/[-:]|\.\d+/g, '')}`;

/** Writes beside the file and renames, so that a reader finds the whole file or none. */
export async function writeResultFile(path: string, content: string): Promise<void> {
  const beside = `${path}.${process.pid}.new`;
  await onDisk(path, async () => {
    makeFolder(dirname(path));
    const handle = await open(beside, 'w');
    await closing(handle, async () => {
      await handle.writeFile(content);
      await handle.sync();
    });
    await rename(beside, path);
  });
}

async function closing(handle: FileHandle, use: () => Promise<void>): Promise<void> {
  try {
    await use();
  } finally {
    await handle.close();
  }
}

/** Reports a full or missing disk with the path. What was written before stays. */
async function onDisk<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw machineError(
      'disk',
      `Could not write ${path}: ${fileFault(error)}.`,
      'Free space, or choose another directory with --out; then continue with --resume. Earlier slices are kept.',
      error,
    );
  }
}

/** The directory of one study: appended to while it runs, read by the analysis and the reports. */
export class ResultsDirectory {
  readonly path: string;
  /** Of the study: the origin of the times in the latency log. */
  #startedAt: string | undefined;

  constructor(path: string) {
    this.path = path;
  }

  private at(...names: string[]): string {
    return join(this.path, ...names);
  }

  async create(study: StudyRecord): Promise<void> {
    await writeResultFile(this.at(LATENCY_LOG), latencyLogHeader(study.spec.name, study.startedAt));
    await this.update(study);
  }

  /** Replaces study.json. */
  async update(study: StudyRecord): Promise<void> {
    await writeResultFile(this.at('study.json'), `${JSON.stringify(study, null, 2)}\n`);
  }

  async exists(): Promise<boolean> {
    return stat(this.at('study.json')).then(
      () => true,
      () => false,
    );
  }

  async readStudy(): Promise<StudyRecord> {
    const input = parseJson(await this.readText('study.json'));
    const parsed = studyRecordSchema.safeParse(input);
    if (parsed.success) return parsed.data;
    throw damaged(explainInvalid(this.at('study.json'), input, parsed.error), parsed.error);
  }

  /** What the last report concluded. */
  async readSummary(): Promise<Summary> {
    const input = parseJson(await this.readText('summary.json'));
    const parsed = summarySchema.safeParse(input);
    if (parsed.success) return parsed.data;
    throw damaged(explainInvalid(this.at('summary.json'), input, parsed.error), parsed.error);
  }

  /** The file that `barewire cost --into` wrote; null without one. */
  async readCost(): Promise<Cost | null> {
    const text = await this.readTextOr('cost.json', '');
    if (text === '') return null;
    const parsed = costSchema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    throw damaged(explainInvalid(this.at('cost.json'), parseJson(text), parsed.error), parsed.error);
  }

  /** Writes histograms first, so that a listed slice always has them; then one line. Both are synced. */
  async append(record: SliceRecord, histograms: SliceHistograms | null): Promise<void> {
    if (histograms !== null) {
      const { encoded, decoded } = histograms;
      this.#startedAt ??= (await this.readStudy()).startedAt;
      const maxMs = { response: decoded.response.max / 1e6, service: decoded.service.max / 1e6 };
      await this.appendTo(LATENCY_LOG, latencyLogLines(this.#startedAt, record, encoded, maxMs));
    }
    await this.appendTo('slices.jsonl', `${JSON.stringify(record)}\n`);
  }

  private async appendTo(name: string, lines: string): Promise<void> {
    const path = this.at(name);
    await onDisk(path, async () => {
      const handle = await open(path, 'a');
      await closing(handle, async () => {
        await handle.appendFile(lines);
        await handle.datasync();
      });
    });
  }

  /** The encoded histograms of each slice; null without the file. */
  async readLatencies(): Promise<ReturnType<typeof parseLatencyLog> | null> {
    const text = await this.readTextOr(LATENCY_LOG, '');
    return text === '' ? null : parseLatencyLog(text);
  }

  /**
   * All complete lines, for a resume. A last line that a crash cut off is dropped; an invalid line before it
   * is damage.
   */
  async readSlices(): Promise<readonly SliceRecord[]> {
    const { records, refused } = await this.readRecords();
    const [first] = refused;
    if (first !== undefined) throw damaged(first);
    return records;
  }

  /**
   * All readable lines, for analysis. A line that is damaged, of another version, or the second of a slice
   * becomes a finding.
   */
  async readRecords(): Promise<ReadRecords> {
    const lines = (await this.readTextOr('slices.jsonl', '')).split('\n');
    const torn = lines.pop() ?? '';
    const place = (at: number): string => `slices.jsonl, line ${at + 1}`;
    const records = new Map<string, SliceRecord>();
    const refused: Finding[] = [];
    for (const [at, line] of lines.entries()) {
      const input = parseJson(line);
      const { data, error } = sliceRecordSchema.safeParse(input);
      if (data === undefined) refused.push(explainInvalid(place(at), input, error));
      else if (records.has(data.id)) refused.push({ code: 'line-duplicate', file: place(at), id: data.id });
      else records.set(data.id, data);
    }
    const cut: Finding | null = torn === '' ? null : { code: 'line-incomplete', file: place(lines.length) };
    return { records: [...records.values()], refused, torn: cut };
  }

  /** Removes the incomplete last lines of a crash, so that the next append starts a new line. */
  async repair(): Promise<void> {
    for (const name of [LATENCY_LOG, 'slices.jsonl']) {
      const text = await this.readTextOr(name, '');
      const whole = text.lastIndexOf('\n') + 1;
      if (whole < text.length) await truncate(this.at(name), Buffer.byteLength(text.slice(0, whole)));
    }
  }

  async writeReport(name: string, content: string): Promise<void> {
    await writeResultFile(this.at(name), content);
  }

  /** @throws BarewireError `no-such-file` */
  async readText(...names: string[]): Promise<string> {
    try {
      return await readFile(this.at(...names), 'utf8');
    } catch (error) {
      throw userError(
        `Could not read ${this.at(...names)}: ${fileFault(error)}.`,
        'Name a results directory: a study prints it at its end.',
        { code: 'no-such-file', cause: error },
      );
    }
  }

  private async readTextOr(name: string, otherwise: string): Promise<string> {
    return (await stat(this.at(name)).catch(() => null)) === null ? otherwise : this.readText(name);
  }
}

const damaged = (finding: Finding, cause?: unknown): BarewireError =>
  userError(
    `Refused ${describeFinding(finding)}.`,
    'Restore the file. A line of slices.jsonl can be removed: --resume measures its slice again.',
    { code: 'results-damaged', cause },
  );

/** Explains why a value is invalid in this version. */
function explainInvalid(file: string, input: unknown, error: z.ZodError | undefined): Finding {
  if (input === undefined) return { code: 'line-not-json', file };
  const version = typeof input === 'object' && input !== null && 'schema' in input ? input.schema : undefined;
  if (version !== SCHEMA_VERSION && version !== undefined)
    return { code: 'line-version', file, version: JSON.stringify(version), supported: SCHEMA_VERSION };
  return { code: 'line-invalid', file, problem: error === undefined ? 'no value' : placeOf(error.issues) };
}

/** The path and message of the first issue; for a union, of its nearest alternative. */
function placeOf(issues: readonly z.core.$ZodIssue[], within = ''): string {
  const [issue] = issues;
  if (issue === undefined) return within;
  const place = [within, ...issue.path.map(String)].filter(Boolean).join('.');
  const deeper = issue.code === 'invalid_union' ? issue.errors : [];
  const nearest = deeper.toSorted((a, b) => a.length - b.length)[0];
  return nearest === undefined ? `${place}: ${issue.message}` : placeOf(nearest, place);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
