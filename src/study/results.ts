import { mkdir, open, readFile, rename, stat, truncate, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BarewireError,
  studyRecordSchema,
  trialRecordSchema,
  type LoadResult,
  type StudyRecord,
  type TrialRecord,
} from '../schema/index.js';

/** A trial with its two histograms as their files hold them. */
export interface StoredTrial {
  readonly record: TrialRecord;
  readonly response: string | null;
  readonly service: string | null;
}

/** `results/quick-20151204T093000Z`: the study's name and the UTC time. */
export const directoryName = (study: string, at: Date): string =>
  `${study}-${at.toISOString().replace(/[-:]|\.\d+/g, '')}`;

/** Writes beside and renames, so that a reader finds the whole file or none of it. */
export async function writeWhole(path: string, content: string): Promise<void> {
  const beside = `${path}.${process.pid}.new`;
  await onDisk(path, async () => {
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

/** A disk that is full or gone is said with the path; what was written before stays. */
async function onDisk<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw new BarewireError(`${path} could not be written: ${String(error)}`, {
      code: 'disk',
      fault: 'machine',
      hint: 'Make room or name another place with --out; then go on with --resume. The trials before this one are kept.',
      cause: error,
    });
  }
}

/** The directory of one study: appended to while it runs, read by the analysis and the reports. */
export class ResultsDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  private at(...names: string[]): string {
    return join(this.path, ...names);
  }

  async create(study: StudyRecord): Promise<void> {
    await onDisk(this.path, () => mkdir(this.at('histograms'), { recursive: true }));
    await writeWhole(this.at('study.json'), `${JSON.stringify(study, null, 2)}\n`);
  }

  async exists(): Promise<boolean> {
    return stat(this.at('study.json')).then(
      () => true,
      () => false,
    );
  }

  async readStudy(): Promise<StudyRecord> {
    const text = await this.readText('study.json');
    const parsed = studyRecordSchema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    throw this.damaged('study.json', parsed.error);
  }

  /** Histograms first, so that a trial that is listed always has them; then one line, synced. */
  async append(
    record: TrialRecord,
    histograms: Pick<LoadResult, 'response' | 'service'> | null,
  ): Promise<void> {
    if (histograms !== null) {
      await writeWhole(this.at('histograms', `${record.id}.response.hdr`), `${histograms.response}\n`);
      await writeWhole(this.at('histograms', `${record.id}.service.hdr`), `${histograms.service}\n`);
    }
    const path = this.at('trials.jsonl');
    await onDisk(path, async () => {
      const handle = await open(path, 'a');
      await closing(handle, async () => {
        await handle.appendFile(`${JSON.stringify(record)}\n`);
        await handle.sync();
      });
    });
  }

  /** All whole lines. A last line that a crash cut off is dropped; a bad line before it is damage. */
  async readTrials(): Promise<readonly StoredTrial[]> {
    const lines = (await this.readTextOr('trials.jsonl', '')).split('\n');
    lines.pop();
    const records = lines.map((line, at) => {
      const parsed = trialRecordSchema.safeParse(parseJson(line));
      if (parsed.success) return parsed.data;
      throw this.damaged(`trials.jsonl, line ${at + 1}`, parsed.error);
    });
    return Promise.all(records.map((record) => this.withHistograms(record)));
  }

  /** Cuts off what a crash left of a line, so that the next append starts one of its own. */
  async mend(): Promise<void> {
    const text = await this.readTextOr('trials.jsonl', '');
    const whole = text.lastIndexOf('\n') + 1;
    if (whole < text.length) await truncate(this.at('trials.jsonl'), Buffer.byteLength(text.slice(0, whole)));
  }

  async writeReport(name: string, content: string): Promise<void> {
    await writeWhole(this.at(name), content);
  }

  private async withHistograms(record: TrialRecord): Promise<StoredTrial> {
    if (record.status !== 'measured') return { record, response: null, service: null };
    const [response, service] = await Promise.all(
      ['response', 'service'].map((kind) => this.readText('histograms', `${record.id}.${kind}.hdr`)),
    );
    return { record, response: response?.trim() ?? null, service: service?.trim() ?? null };
  }

  private async readText(...names: string[]): Promise<string> {
    try {
      return await readFile(this.at(...names), 'utf8');
    } catch (error) {
      throw new BarewireError(`${this.at(...names)} could not be read: ${String(error)}`, {
        code: 'no-such-file',
        fault: 'user',
        hint: 'Name a results directory, as a study prints it at its end.',
        cause: error,
      });
    }
  }

  private async readTextOr(name: string, otherwise: string): Promise<string> {
    return (await stat(this.at(name)).catch(() => null)) === null ? otherwise : this.readText(name);
  }

  private damaged(what: string, cause: unknown): BarewireError {
    return new BarewireError(`${this.at(what)} is damaged or of another version.`, {
      code: 'results-damaged',
      fault: 'user',
      hint: 'Restore the file, or take the line out to analyse the rest.',
      cause,
    });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
