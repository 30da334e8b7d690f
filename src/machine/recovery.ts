import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { pidsWithVariable, readBootId } from '../linux/index.js';
import { machineError, type ChangedSetting, messageOf } from '../schema/index.js';
import { TAG } from './command.js';
import { Journal, journalPath } from './journal.js';
import type { Undo } from './journal-format.js';
import { findJournals, repairJournal, readJournal, type FoundJournal } from './journal-reader.js';
import { isAlive } from './session.js';
import { applyTag } from './apply.js';
import type { UndoneJournal } from './types.js';
import { undoEntries, undoFailed } from './undo.js';

/** A journal of an ended run with steps to undo. `since` is UTC, ISO 8601. */
export interface OpenJournal {
  readonly run: string;
  readonly host: string;
  readonly since: string;
  readonly steps: number;
}

/** What outlives a reboot. */
const PERSISTENT: readonly Undo['kind'][] = ['file', 'directory', 'docker'];
/** How long a command may still run after its owner was killed; then it is killed too. */
const STRAGGLERS_MS = 5000;
/** How long agents may take to undo their steps after their study was killed. */
const ORPHANS_MS = 5000;

/**
 * Journals of ended runs, newest first; those with a running owner are left out. Throws `results-damaged` for
 * an unreadable one.
 */
export async function openJournals(): Promise<readonly OpenJournal[]> {
  const ended = (await findRuns()).filter((journal) => !isOwned(journal));
  for (const { damage } of ended) if (damage !== null) throw damage;
  return ended.filter(({ contents }) => contents.live.length > 0).flatMap(summary);
}

/**
 * Restores the machine from the journals of ended runs, newest first. The caller holds the lock of
 * `lockMachine`. Throws, after undoing everything else, `locked` for a journal whose owner runs and
 * `undo-failed` for what could not be undone.
 */
export async function undoAll(): Promise<readonly UndoneJournal[]> {
  // With the lock held no study runs, but agents of a killed study still undo their steps, and a killed process
  // takes a moment to exit.
  const deadline = performance.now() + ORPHANS_MS;
  while (performance.now() < deadline && (await findRuns()).some(isOwned)) await sleep(20);
  const journals = await findRuns();
  const busy = new Set(journals.filter(isOwned).map(({ header }) => header?.run));
  const undone: UndoneJournal[] = [];
  const failures: unknown[] = [];
  for (const journal of journals.filter(({ header }) => !busy.has(header?.run))) {
    try {
      const changed = await undoJournal(journal);
      if (journal.contents.live.length > 0)
        undone.push(...summary(journal).map((one) => ({ ...one, changed: [...changed] })));
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1)
    throw machineError(
      'undo-failed',
      failures.map((error) => messageOf(error)).join('\n'),
      'Remove what holds these, and run: barewire undo',
      failures[0],
    );
  const owner = journals.find(isOwned)?.header;
  if (owner !== undefined && owner !== null)
    throw machineError(
      'locked',
      `Run ${owner.run} is still active on ${owner.host}: process ${owner.owner.pid}, since ${owner.since}`,
      `Wait until it ends, or stop it (kill ${owner.owner.pid}): it restores the machine itself.`,
    );
  return undone;
}

/** Undoes the steps that one host's agent left on this machine. Returns false where it left none. */
export async function undoJournalOf(owner: {
  readonly run: string;
  readonly host: string;
}): Promise<boolean> {
  const journal = await readJournal(journalPath(owner));
  if (journal?.contents.kept !== null) return false;
  await undoJournal(journal);
  return true;
}

/** Journals of runs: those that `Machine.keep` left are not undone with them. */
const findRuns = async (): Promise<readonly FoundJournal[]> =>
  (await findJournals()).filter(({ contents }) => contents.kept === null);

/** Undoes a journal from outside its host, and removes it. Returns the settings that were changed meanwhile, and are left. */
export async function undoJournal({
  path,
  header,
  contents,
  damage,
}: FoundJournal): Promise<readonly ChangedSetting[]> {
  if (damage !== null) throw damage;
  if (header === null) {
    await rm(path, { force: true });
    return [];
  }
  // A command may still be applying its step after its owner was killed.
  const deadline = performance.now() + STRAGGLERS_MS;
  while (performance.now() < deadline && pidsWithVariable(TAG, applyTag(header)).length > 0) await sleep(5);
  for (const pid of pidsWithVariable(TAG, applyTag(header))) endStraggler(pid);
  await repairJournal(path);
  const journal = new Journal(header, contents);
  try {
    // After a reboot only files and objects of Docker remain: namespaces, links and settings are gone, and pids
    // identify other processes.
    const entries = journal
      .live()
      .filter(({ undo }) => header.boot === readBootId() || PERSISTENT.includes(undo?.kind ?? 'netns'));
    const { failures, changed } = await undoEntries(entries, {
      home: header.netns,
      netns: header.netns,
      processOf: (id) => journal.processOf(id),
    });
    const remaining = new Set(failures.map(({ entry }) => entry.id));
    const gone = journal.live().map(({ id }) => id);
    await journal.undone(new Set(gone.filter((id) => !remaining.has(id))));
    if (failures.length > 0) throw undoFailed(header.host, failures);
    return changed;
  } finally {
    await journal.close();
  }
}

function endStraggler(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

const isOwned = ({ header }: FoundJournal): boolean =>
  header !== null && header.boot === readBootId() && isAlive(header.owner);

const summary = ({ header, contents }: FoundJournal): OpenJournal[] =>
  header === null
    ? []
    : [{ run: header.run, host: header.host, since: header.since, steps: contents.live.length }];
