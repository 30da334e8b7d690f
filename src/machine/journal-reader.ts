import { readdir, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { BarewireError, machineError } from '../schema/index.js';
import {
  headerSchema,
  recordSchema,
  type Entry,
  type JournalHeader,
  type JournalRecord,
  type ProcessIdentity,
} from './journal-format.js';
import type { JournalContents } from './journal.js';
import { journalDirectory } from './installation.js';

/** A journal found on disk. */
export interface FoundJournal {
  readonly path: string;
  /** Null when not even the first line was written: then no step was applied. */
  readonly header: JournalHeader | null;
  readonly contents: JournalContents;
  /** Why it cannot be read; then the rest is empty. */
  readonly damage: BarewireError | null;
}

/** All journals on this machine, the newest run first. */
export async function findJournals(): Promise<readonly FoundJournal[]> {
  const names = await readdir(journalDirectory()).catch(noneWhenMissing);
  const paths = names.filter((name) => name.endsWith('.jsonl')).map((name) => join(journalDirectory(), name));
  const found = (await Promise.all(paths.map(readJournal))).filter((journal) => journal !== null);
  return found.sort((a, b) => (b.header?.since ?? '').localeCompare(a.header?.since ?? ''));
}

/**
 * Reads a journal; null when there is none. When its owner was killed while writing a line, that line is
 * dropped: its step was not applied yet.
 */
export async function readJournal(path: string): Promise<FoundJournal | null> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return null;
    throw error;
  });
  return text === null ? null : parseJournal(path, text);
}

function parseJournal(path: string, text: string): FoundJournal {
  const [first, ...rest] = text.split('\n').slice(0, -1);
  if (first === undefined) return { path, header: null, contents: replay([]), damage: null };
  try {
    const header = parseLine(path, 1, first, (value) => headerSchema.parse(value));
    const records = rest.map((line, index) =>
      parseLine(path, index + 2, line, (value) => recordSchema.parse(value)),
    );
    return { path, header, contents: replay(records), damage: null };
  } catch (damage) {
    if (!(damage instanceof BarewireError)) throw damage;
    return { path, header: null, contents: replay([]), damage };
  }
}

/** Removes an incomplete last line, so that the journal can be appended to. */
export async function repairJournal(path: string): Promise<void> {
  const bytes = await readFile(path);
  await truncate(path, bytes.lastIndexOf('\n') + 1);
}

function parseLine<T>(path: string, number: number, line: string, parse: (value: unknown) => T): T {
  try {
    return parse(JSON.parse(line));
  } catch (cause) {
    throw machineError(
      'results-damaged',
      `Could not read line ${number} of the journal ${path}: ${line.slice(0, 100)}`,
      'Undo by hand what it lists, newest first, and delete the file; or use the Barewire version that wrote it.',
      cause,
    );
  }
}

function replay(records: readonly JournalRecord[]): JournalContents {
  const live = new Map<number, Entry>();
  const processes = new Map<number, ProcessIdentity>();
  let nextId = 0;
  let kept: string | null = null;
  for (const record of records) {
    if ('undone' in record) for (const id of record.undone) live.delete(id);
    else if ('kept' in record) kept = record.kept;
    else if ('started' in record) processes.set(record.started, record.process);
    else {
      live.set(record.id, record);
      nextId = record.id + 1;
    }
  }
  return { live: [...live.values()], processes, nextId, kept };
}

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

const noneWhenMissing = (error: unknown): string[] => {
  if (isMissing(error)) return [];
  throw error;
};
