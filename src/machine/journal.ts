import { mkdir, open, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Step, machineError } from '../schema/index.js';
import type { Entry, JournalHeader, JournalRecord, ProcessIdentity, Undo } from './journal-format.js';
import { journalDirectory } from './state-directory.js';

/** A step with the undo that was resolved for it. */
export interface ResolvedStep {
  readonly step: Step;
  readonly undo: Undo | null;
}

/** The steps taken on one host, on disk before each is taken. The file comes with the first step and goes with the last undo. */
export class Journal {
  readonly path: string;
  readonly #header: JournalHeader;
  #live: Entry[];
  readonly #processes: Map<number, ProcessIdentity>;
  #nextId: number;
  #onDisk: boolean;
  #file: FileHandle | null = null;

  /** A new journal, or one that was found on disk. */
  constructor(header: JournalHeader, found?: JournalContents) {
    this.path = journalPath(header);
    this.#header = header;
    this.#live = [...(found?.live ?? [])];
    this.#processes = new Map(found?.processes);
    this.#nextId = found?.nextId ?? 0;
    this.#onDisk = found !== undefined;
  }

  /** The id that the next step gets: what is taken from now on has it or a greater one. */
  get mark(): number {
    return this.#nextId;
  }

  /** What is not undone, newest first. */
  live(mark = 0): readonly Entry[] {
    return this.#live.filter((entry) => entry.id >= mark).reverse();
  }

  processOf(id: number): ProcessIdentity | null {
    return this.#processes.get(id) ?? null;
  }

  /** Writes the steps down and syncs them to the disk: only then may they be taken. */
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
    // Not synced: a process does not survive what this record would not survive.
    await this.#append([{ started: id, process }]);
    this.#processes.set(id, process);
  }

  async undone(ids: ReadonlySet<number>): Promise<void> {
    // Not synced: if the machine goes down now, the undo is only done once more, for files alone.
    this.#live = this.#live.filter((entry) => !ids.has(entry.id));
    for (const id of ids) this.#processes.delete(id);
    if (ids.size > 0) await this.#append([{ undone: [...ids] }]);
  }

  /** Closes the file, and removes it when nothing in it is left to undo. */
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
        `The journal ${this.path} cannot be written`,
        'Without it nothing is changed: make room there, or set BAREWIRE_STATE to a folder that has some.',
        cause,
      );
    }
  }

  async #write(file: FileHandle, records: readonly (JournalRecord | JournalHeader)[]): Promise<void> {
    const { size } = await file.stat();
    try {
      await file.appendFile(records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    } catch (error) {
      // Half a line, on a full disk, would spoil the next.
      await file.truncate(size);
      throw error;
    }
  }

  async #open(): Promise<FileHandle> {
    if (this.#onDisk) return open(this.path, 'a');
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    // Exclusive: what another of the same name wrote must not be mixed with ours.
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

/** What a journal on disk holds. */
export interface JournalContents {
  /** Oldest first. */
  readonly live: readonly Entry[];
  readonly processes: ReadonlyMap<number, ProcessIdentity>;
  readonly nextId: number;
}

/** The file of one host of one run. */
export const journalPath = ({ run, host }: { run: string; host: string }): string =>
  join(journalDirectory(), `${run}-${host}.jsonl`);

/** A file's name is on disk only when its folder is. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
