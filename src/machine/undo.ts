import { rmdirSync, rmSync, unlinkSync } from 'node:fs';
import { netnsPath, unmountNetns } from '../linux/index.js';
import { type BarewireError, machineError } from '../schema/index.js';
import { runCommand } from './command.js';
import { removeByIp } from './ip-removal.js';
import { describeUndo, type Entry, type ProcessIdentity, type Undo } from './journal-format.js';
import { hasOwnQdisc, isPresent, look } from './presence.js';
import { endSession } from './session.js';
import { readSysctl, writeSysctl } from './sysctl.js';

export interface Undoing {
  readonly home: string | null;
  processOf(id: number): ProcessIdentity | null;
}

/** A step that could not be undone, and why. */
export interface UndoFailure {
  readonly entry: Entry;
  readonly reason: string;
}

/**
 * By kind, and newest first within a kind: processes release what they use, then kernel state is removed in
 * few transactions (each that removes links waits for the kernel's readers), then namespaces, then files.
 */
const ORDER = ['process', 'qdisc', 'route', 'link', 'sysctl', 'netns', 'file', 'directory'] as const;

/** Undoes entries, continuing after failures. An object that is gone already counts as undone. */
export async function undoEntries(
  newestFirst: readonly Entry[],
  how: Undoing,
): Promise<readonly UndoFailure[]> {
  const failures: UndoFailure[] = [];
  for (const kind of ORDER) {
    const entries = newestFirst.filter((entry) => entry.undo?.kind === kind);
    if (entries.length > 0) failures.push(...(await undoKind(entries, how)));
  }
  return failures;
}

/** Lists everything that could not be undone. */
export const undoFailed = (host: string, failures: readonly UndoFailure[]): BarewireError =>
  machineError(
    'undo-failed',
    `${host}: could not undo ${failures.map(inWords).join('; ')}`,
    'Remove what holds it, and run: barewire undo',
  );

const inWords = ({ entry, reason }: UndoFailure): string =>
  `${entry.undo === null ? entry.step.why : describeUndo(entry.undo)} (${reason})`;

async function undoKind(entries: readonly Entry[], how: Undoing): Promise<UndoFailure[]> {
  const removable = entries.flatMap(({ undo }) =>
    undo?.kind === 'link' || undo?.kind === 'route' ? [undo] : [],
  );
  const left = await removeByIp(removable, how.home);
  const failures = left.flatMap(({ undo, reason }) =>
    entries.filter((entry) => entry.undo === undo).map((entry) => ({ entry, reason })),
  );
  for (const entry of entries) {
    try {
      if (entry.undo !== null) await undoOne(entry.undo, how, how.processOf(entry.id));
    } catch (error) {
      failures.push({ entry, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  return failures;
}

async function undoOne(undo: Undo, how: Undoing, process: ProcessIdentity | null): Promise<void> {
  if (!isPresent(undo, how.home)) return;
  switch (undo.kind) {
    case 'process':
      // Without a pid in the journal the program was never started.
      if (process !== null) await endSession(process, undo);
      break;
    case 'qdisc':
      await removeQdisc(undo.netns ?? how.home, undo.link);
      break;
    case 'sysctl':
      look(undo.netns ?? how.home, undefined, () => restoreSysctls(undo.values));
      break;
    case 'netns':
      unmountNetns(undo.name);
      unlinkSync(netnsPath(undo.name));
      break;
    case 'file':
      unlinkSync(undo.path);
      break;
    case 'directory':
      removeDirectory(undo.path, undo.parents);
      break;
    case 'link':
    case 'route':
      // Links and routes are removed together by `ip`.
      break;
  }
}

function restoreSysctls(values: readonly { key: string; value: string }[]): void {
  for (const { key, value } of values) {
    // The key is removed with its link.
    if (readSysctl(key) !== null) writeSysctl(key, value);
  }
}

async function removeQdisc(netns: string | null, link: string): Promise<void> {
  if (!(await hasOwnQdisc(netns, link))) return;
  const result = await runCommand(['tc', 'qdisc', 'del', 'dev', link, 'root'], { netns, shielded: true });
  if (result.code !== 0 && (await hasOwnQdisc(netns, link))) throw new Error(result.stderr.trim());
}

function removeDirectory(path: string, parents: readonly string[]): void {
  // The contents were created later, by what runs in it.
  rmSync(path, { recursive: true, force: true });
  for (const parent of parents.toReversed()) {
    try {
      rmdirSync(parent);
    } catch {
      // Another host's steps still use it; the last of them removes it.
      return;
    }
  }
}
