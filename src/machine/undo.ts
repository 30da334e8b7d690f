import { rmdirSync, rmSync, unlinkSync } from 'node:fs';
import { netnsPath, unmountNetns } from '../linux/index.js';
import { BarewireError } from '../schema/index.js';
import { batchInput } from './batch.js';
import { runCommand } from './command.js';
import type { Entry, ProcessIdentity, Undo } from './journal-format.js';
import { isPresent, look } from './presence.js';
import { describe, hasOwnQdisc } from './resolve.js';
import { endSession } from './session.js';
import { readSysctl, writeSysctl } from './sysctl.js';

export interface Undoing {
  readonly home: string | null;
  processOf(id: number): ProcessIdentity | null;
}

/** What could not be undone, and why. */
export interface UndoFailure {
  readonly entry: Entry;
  readonly reason: string;
}

/**
 * By kind, and newest first within a kind: processes let go of what they use, then the kernel's state goes in few
 * transactions (each that removes links waits for the kernel's readers), then namespaces, then files.
 */
const ORDER = ['process', 'qdisc', 'route', 'link', 'sysctl', 'netns', 'file', 'directory'] as const;

/** Undoes entries, going on past failures. What is gone already is fine. */
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

/** Names everything that is still there. */
export const undoFailed = (host: string, failures: readonly UndoFailure[]): BarewireError =>
  new BarewireError(
    `${host}: could not put back ${failures.map(({ entry, reason }) => `${entry.undo === null ? '' : describe(entry.undo)} (${reason})`).join('; ')}`,
    {
      code: 'undo-failed',
      fault: 'machine',
      hint: 'Take away what holds it, and run: barewire undo',
    },
  );

async function undoKind(entries: readonly Entry[], how: Undoing): Promise<UndoFailure[]> {
  const [first] = entries;
  if (first?.undo?.kind === 'link' || first?.undo?.kind === 'route') return undoByIp(entries, how.home);
  const failures: UndoFailure[] = [];
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
      return process === null ? undefined : endSession(process, undo);
    case 'qdisc':
      return removeQdisc(undo.netns ?? how.home, undo.link);
    case 'sysctl':
      return look(undo.netns ?? how.home, undefined, () => restoreSysctls(undo.values));
    case 'netns':
      unmountNetns(undo.name);
      {
        unlinkSync(netnsPath(undo.name));
        return;
      }
    case 'file': {
      unlinkSync(undo.path);
      return;
    }
    case 'directory': {
      removeDirectory(undo.path, undo.parents);
      return;
    }
    case 'link':
    case 'route':
      return;
  }
}

function restoreSysctls(values: readonly { key: string; value: string }[]): void {
  for (const { key, value } of values) {
    // Gone with its link.
    if (readSysctl(key) !== null) writeSysctl(key, value);
  }
}

async function removeQdisc(netns: string | null, link: string): Promise<void> {
  if (!(await hasOwnQdisc(netns, link))) return;
  const result = await runCommand(['tc', 'qdisc', 'del', 'dev', link, 'root'], { netns });
  if (result.code !== 0 && (await hasOwnQdisc(netns, link))) throw new Error(result.stderr.trim());
}

function removeDirectory(path: string, parents: readonly string[]): void {
  // All that is in it came after it was made, by what runs in it.
  rmSync(path, { recursive: true, force: true });
  for (const parent of parents.toReversed()) {
    try {
      rmdirSync(parent);
    } catch {
      // Another host's steps still use it, and the last of them takes it away.
      return;
    }
  }
}

/** Links and routes, one process a namespace. */
async function undoByIp(entries: readonly Entry[], home: string | null): Promise<UndoFailure[]> {
  const failures: UndoFailure[] = [];
  for (const netns of new Set(entries.map((entry) => netnsOf(entry, home)))) {
    const group = entries.filter((entry) => netnsOf(entry, home) === netns);
    const present = group.filter(({ undo }) => undo !== null && isPresent(undo, home));
    if (present.length === 0) continue;
    const input = batchInput(present.map(({ undo }) => ({ args: undo === null ? [] : ipDelete(undo) })));
    const result = await runCommand(['ip', '-force', '-batch', '-'], { netns, input });
    const left = present.filter(({ undo }) => undo !== null && isPresent(undo, home));
    failures.push(...left.map((entry) => ({ entry, reason: result.stderr.trim() })));
  }
  return failures;
}

const netnsOf = ({ undo }: Entry, home: string | null): string | null =>
  (undo !== null && 'netns' in undo ? undo.netns : null) ?? home;

const ipDelete = (undo: Undo): string[] => {
  if (undo.kind === 'link') return ['link', 'del', undo.name];
  return undo.kind === 'route' ? ['route', 'del', undo.destination] : [];
};
