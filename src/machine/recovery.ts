import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { pidsWithVariable, readBootId } from '../linux/index.js';
import { type BarewireError, machineError } from '../schema/index.js';
import { TAG } from './command.js';
import { Journal, journalPath } from './journal.js';
import type { Entry, JournalHeader } from './journal-format.js';
import { findJournals, repairJournal, readJournal, type FoundJournal } from './journal-reader.js';
import { isAlive } from './session.js';
import { applyTag } from './apply.js';
import { undoEntries, undoFailed } from './undo.js';

/** A journal that an ended run left with something in it to undo. `since` is UTC, ISO 8601. */
export interface OpenJournal {
  readonly run: string;
  readonly host: string;
  readonly since: string;
  readonly steps: number;
}
export type UndoneJournal = OpenJournal;

/** How long a command may be at work on a step after its owner was killed. */
const STRAGGLERS_MS = 5000;
/** How long agents whose study was killed may take to undo their steps by themselves. */
const ORPHANS_MS = 5000;

/**
 * The journals that ended runs left, the newest first; those whose owner lives are its own business. Throws
 * `results-damaged` for one that cannot be read.
 */
export async function openJournals(): Promise<readonly OpenJournal[]> {
  const ended = (await findJournals()).filter((journal) => !isOwned(journal));
  for (const { damage } of ended) if (damage !== null) throw damage;
  return ended.filter(({ contents }) => contents.live.length > 0).flatMap(summary);
}

/**
 * Puts the machine back to where it was before the runs that left journals, the newest first. The caller holds the lock
 * of `lockMachine`. Throws `locked`, after undoing the others, for a journal whose owner lives, and `undo-failed`, after
 * undoing all that can be, for what is still there.
 */
export async function undoAll(): Promise<readonly UndoneJournal[]> {
  await untilOrphansEnd();
  const journals = await findJournals();
  const busy = new Set(journals.filter(isOwned).map(({ header }) => header?.run));
  const undone: UndoneJournal[] = [];
  const failures: unknown[] = [];
  for (const journal of journals.filter(({ header }) => !busy.has(header?.run))) {
    try {
      await undoJournal(journal);
      if (journal.contents.live.length > 0) undone.push(...summary(journal));
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw severalFailed(failures);
  const owner = journals.find(isOwned)?.header;
  if (owner !== undefined && owner !== null) throw ownedBy(owner);
  return undone;
}

/** Undoes what one host's agent left when it was killed; nothing to do when it left nothing. */
export async function undoJournalOf(owner: { readonly run: string; readonly host: string }): Promise<void> {
  const journal = await readJournal(journalPath(owner));
  if (journal !== null) await undoJournal(journal);
}

/** Undoes what the journal has, from outside of its host, and removes it. */
async function undoJournal({ path, header, contents, damage }: FoundJournal): Promise<void> {
  if (damage !== null) throw damage;
  if (header === null) return rm(path, { force: true });
  await untilStragglersEnd(header);
  await repairJournal(path);
  const journal = new Journal(header, contents);
  try {
    const entries = journal.live().filter((entry) => outlives(entry, header));
    const failures = await undoEntries(entries, {
      home: header.netns,
      processOf: (id) => journal.processOf(id),
    });
    const left = new Set(failures.map(({ entry }) => entry.id));
    const gone = journal.live().map(({ id }) => id);
    await journal.undone(new Set(gone.filter((id) => !left.has(id))));
    if (failures.length > 0) throw undoFailed(header.host, failures);
  } finally {
    await journal.close();
  }
}

/** A command that its owner's end overtook may still be at work on its step. */
async function untilStragglersEnd(header: JournalHeader): Promise<void> {
  const deadline = performance.now() + STRAGGLERS_MS;
  while (performance.now() < deadline && pidsWithVariable(TAG, applyTag(header)).length > 0) await sleep(5);
}

/** After a reboot only files are left: namespaces, links and settings went, and pids mean others. */
function outlives({ undo }: Entry, header: JournalHeader): boolean {
  return header.boot === readBootId() || undo?.kind === 'file' || undo?.kind === 'directory';
}

/**
 * With the lock held nobody is at work, but agents outlive a study that was killed by the moment that they need to undo
 * their steps, and a process that was killed takes a moment to go.
 */
async function untilOrphansEnd(): Promise<void> {
  const deadline = performance.now() + ORPHANS_MS;
  while (performance.now() < deadline && (await findJournals()).some(isOwned)) await sleep(20);
}

const isOwned = ({ header }: FoundJournal): boolean => header !== null && ownerLives(header);

const ownerLives = ({ boot, owner }: JournalHeader): boolean => boot === readBootId() && isAlive(owner);

const summary = ({ header, contents }: FoundJournal): OpenJournal[] =>
  header === null
    ? []
    : [{ run: header.run, host: header.host, since: header.since, steps: contents.live.length }];

const ownedBy = ({ run, host, owner, since }: JournalHeader): BarewireError =>
  machineError(
    'locked',
    `Run ${run} is still at work on ${host}: process ${owner.pid}, since ${since}`,
    `Wait until it ends, or end it (kill ${owner.pid}): it puts the machine back by itself.`,
  );

const severalFailed = (failures: readonly unknown[]): BarewireError =>
  machineError(
    'undo-failed',
    failures.map((error) => (error instanceof Error ? error.message : String(error))).join('\n'),
    'Take away what holds these, and run: barewire undo',
    failures[0],
  );
