import { open, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Step, machineError } from '../schema/index.js';
import { makeFolder } from './files.js';
import type { Entry, JournalHeader, JournalRecord, ProcessIdentity, Undo } from './journal-format.js';
import { journalDirectory } from './installation.js';

/** A step with the undo that was resolved for it. */
export interface ResolvedStep {
  readonly step: Step;
  readonly undo: Undo | null;
}

/**
 * The steps of one host, each on disk before it is applied. The file is created with the first step and
 * removed after the last undo.
 */
export class Journal {
  readonly path: string;
  readonly #header: JournalHeader;
  #live: Entry[];
  readonly #processes: Map<number, ProcessIdentity>;
  #nextId: number;
  #onDisk: boolean;
  #file: FileHandle | null = null;

  /** A new journal, or one found on disk. */
  constructor(header: JournalHeader, found?: JournalContents) {
    this.path = journalPath(header);
    this.#header = header;
    this.#live = [...(found?.live ?? [])];
    this.#processes = new Map(found?.processes);
    this.#nextId = found?.nextId ?? 0;
    this.#onDisk = found !== undefined;
  }

  /** The id of the next step: later steps have it or a greater one. */
  get mark(): number {
    return this.#nextId;
  }

  /** Steps that are not undone, newest first. */
  live(mark = 0): readonly Entry[] {
    return this.#live.filter((entry) => entry.id >= mark).reverse();
  }

  processOf(id: number): ProcessIdentity | null {
    return this.#processes.get(id) ?? null;
  }

  /** Writes the steps and syncs them to disk; only then may they be applied. */
  async add(steps: readonly ResolvedStep[]): Promise<readonly Entry[]> {
    const entries = steps.map((step, offset) => ({ id: this.#nextId + offset, ...step }));
    if (entries.length === 0) return entries;
    await this.#append(entries);
    await this.#file?.datasync();
    this.#nextId += entries.length;
    this.#live.push(...entries);
    return entries;
  }

  async started(id: number, process: ProcessIdentity): Promise<void> {
    // Not synced: the process does not survive what this record would not survive.
    await this.#append([{ started: id, process }]);
    this.#processes.set(id, process);
  }

  async undone(ids: ReadonlySet<number>): Promise<void> {
    // Not synced: after a power loss the undo is repeated, for files only.
    this.#live = this.#live.filter((entry) => !ids.has(entry.id));
    for (const id of ids) this.#processes.delete(id);
    if (ids.size > 0) await this.#append([{ undone: [...ids] }]);
  }

  /** The steps stay when their owner ends. Synced: they must not be undone as those of a killed run. */
  async keep(label: string): Promise<void> {
    await this.#append([{ kept: label }]);
    await this.#file?.datasync();
  }

  /** Closes the file, and removes it when it holds nothing to undo. */
  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = null;
    if (this.#live.length > 0 || !this.#onDisk) return;
    await rm(this.path, { force: true });
    await syncDirectory(dirname(this.path));
    this.#onDisk = false;
  }

  async #append(records: readonly JournalRecord[]): Promise<void> {
    try {
      this.#file ??= await this.#open();
      await this.#write(this.#file, records);
    } catch (cause) {
      throw machineError(
        'disk',
        `Could not write the journal ${this.path}`,
        'Free space there, or set BAREWIRE_STATE to a directory that has some. Nothing is changed without a journal.',
        cause,
      );
    }
  }

  async #write(file: FileHandle, records: readonly (JournalRecord | JournalHeader)[]): Promise<void> {
    const { size } = await file.stat();
    try {
      await file.appendFile(records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    } catch (error) {
      // An incomplete line, on a full disk, would damage the next one.
      await file.truncate(size);
      throw error;
    }
  }

  async #open(): Promise<FileHandle> {
    if (this.#onDisk) return open(this.path, 'a');
    makeFolder(dirname(this.path), 0o700);
    // Exclusive: a journal of the same name must not be mixed with this one.
    const file = await open(this.path, 'ax', 0o600);
    try {
      await this.#write(file, [this.#header]);
      await syncDirectory(dirname(this.path));
    } catch (error) {
      await file.close();
      await rm(this.path, { force: true });
      throw error;
    }
    this.#onDisk = true;
    return file;
  }
}

/** The contents of a journal on disk. */
export interface JournalContents {
  /** Oldest first. */
  readonly live: readonly Entry[];
  readonly processes: ReadonlyMap<number, ProcessIdentity>;
  readonly nextId: number;
  /** The label under which the steps stay; null for those of a run. */
  readonly kept: string | null;
}

/** The journal of one host of one run. */
export const journalPath = ({ run, host }: { run: string; host: string }): string =>
  join(journalDirectory(), `${run}-${host}.jsonl`);

/** A file's name is on disk only after its folder was synced. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
