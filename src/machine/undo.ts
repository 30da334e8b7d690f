import { randomInt } from 'node:crypto';
import { rmdirSync, rmSync, unlinkSync } from 'node:fs';
import { netnsPath, unmountNetns } from '../linux/index.js';
import { type BarewireError, type ChangedSetting, machineError, messageOf } from '../schema/index.js';
import { removeCgroup } from './cgroup.js';
import { detachContainer } from './cni.js';
import { batchInput, runCommand } from './command.js';
import { describeUndo, type Entry, type ProcessIdentity, type Undo } from './journal-format.js';
import { removeDockerObject } from './docker.js';
import { removeDockerRules, removeFirewallRule } from './firewall.js';
import { hasOwnQdisc, isPresent } from './presence.js';
import { endSession } from './session.js';
import { removeTable, restoreFeature } from './offload.js';
import { restoreSetting } from './setting.js';

export interface Undoing {
  /** The name of the host's own namespace where this process is not in it. */
  readonly home: string | null;
  /** The name of the namespace that is the host; null for a machine. */
  readonly netns: string | null;
  processOf(id: number): ProcessIdentity | null;
}

/** A step that could not be undone, and why. */
export interface UndoFailure {
  readonly entry: Entry;
  readonly reason: string;
}

/**
 * By kind, and newest first within a kind: containers, which their daemon stops, and processes release what they use, a CNI plugin detaches
 * what it has attached, then kernel state is removed in few transactions (each that removes links waits for the kernel's readers), then namespaces, then files.
 */
const ORDER = [
  'docker',
  'process',
  'cni',
  'qdisc',
  'firewall-rule',
  'docker-rules',
  'route',
  'link',
  'nftables',
  'feature',
  'setting',
  'netns',
  'cgroup',
  'file',
  'directory',
] as const;

/** What undoing did not do: what failed, and settings that were changed meanwhile. */
export interface UndoOutcome {
  readonly failures: readonly UndoFailure[];
  readonly changed: readonly ChangedSetting[];
}

/** Undoes entries, continuing after failures. An object that is gone already counts as undone. */
export async function undoEntries(newestFirst: readonly Entry[], how: Undoing): Promise<UndoOutcome> {
  const failures: UndoFailure[] = [];
  const changed: ChangedSetting[] = [];
  for (const kind of ORDER) {
    const entries = newestFirst.filter((entry) => entry.undo?.kind === kind);
    if (entries.length === 0) continue;
    const outcome = await undoKind(entries, how);
    failures.push(...outcome.failures);
    changed.push(...outcome.changed);
  }
  return { failures, changed };
}

/** Lists everything that could not be undone. */
export const undoFailed = (host: string, failures: readonly UndoFailure[]): BarewireError =>
  machineError(
    'undo-failed',
    `${host}: could not undo ${failures.map(({ entry, reason }: UndoFailure) => `${entry.undo === null ? entry.step.why : describeUndo(entry.undo)} (${reason})`).join('; ')}`,
    'Remove what holds it, and run: barewire undo',
  );

async function undoKind(entries: readonly Entry[], how: Undoing): Promise<UndoOutcome> {
  const removable = entries.flatMap(({ undo }) =>
    undo?.kind === 'link' || undo?.kind === 'route' ? [undo] : [],
  );
  const remaining = await removeByIp(removable, how.home);
  const changed: ChangedSetting[] = [];
  const failures = remaining.flatMap(({ undo, reason }) =>
    entries.filter((entry) => entry.undo === undo).map((entry) => ({ entry, reason })),
  );
  for (const entry of entries) {
    try {
      if (entry.undo === null) continue;
      const found = await undoOne(entry.undo, how, how.processOf(entry.id));
      if (found !== null) changed.push(found);
    } catch (error) {
      failures.push({ entry, reason: messageOf(error) });
    }
  }
  return { failures, changed };
}

/** Returns a setting that was changed meanwhile, which is left; otherwise null. */
async function undoOne(
  undo: Undo,
  how: Undoing,
  process: ProcessIdentity | null,
): Promise<ChangedSetting | null> {
  if (!isPresent(undo, how.home)) return null;
  switch (undo.kind) {
    case 'process':
      // Without a pid in the journal the program was never started.
      if (process !== null) await endSession(process, undo);
      break;
    case 'docker':
      await removeDockerObject(undo);
      break;
    case 'cni':
      await detachContainer(undo);
      break;
    case 'cgroup':
      await removeCgroup(undo.path);
      break;
    case 'firewall-rule':
      await removeFirewallRule(undo.netns ?? how.home, undo.rule);
      break;
    case 'docker-rules':
      await removeDockerRules(undo.netns ?? how.home);
      break;
    case 'qdisc':
      await removeQdisc(undo.netns ?? how.home, undo.link);
      break;
    case 'setting':
      return await restoreSetting(undo, how.netns);
    case 'feature':
      await restoreFeature(undo, how.home);
      break;
    case 'nftables':
      await removeTable(undo.netns ?? how.home, undo.table);
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
  return null;
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

type Removable = Extract<Undo, { kind: 'link' | 'route' }>;

/** What could not be removed, with the message of `ip`. */
interface Leftover {
  readonly undo: Removable;
  readonly reason: string;
}

/** Removes links and routes with one process per namespace, and checks the result. */
async function removeByIp(undos: readonly Removable[], home: string | null): Promise<readonly Leftover[]> {
  const left: Leftover[] = [];
  for (const netns of new Set(undos.map((undo) => undo.netns ?? home))) {
    const present = undos.filter((undo) => (undo.netns ?? home) === netns && isPresent(undo, home));
    await runIp(netns, removals(present));
    for (const undo of present.filter((one) => isPresent(one, home))) {
      const { stderr } = await runIp(netns, [removal(undo)]);
      if (isPresent(undo, home)) left.push({ undo, reason: stderr.trim() });
    }
  }
  return left;
}

/**
 * The kernel waits for all its readers each time that a link is removed, 15 to 35 ms on two CPUs; links of
 * one group are removed in one transaction (a bridge, a veth pair and a vxlan in 48 ms instead of 81).
 */
function removals(undos: readonly Removable[]): string[][] {
  const links = undos.filter((undo) => undo.kind === 'link');
  if (links.length < 2) return undos.map(removal);
  const group = String(randomInt(GROUPS.from, GROUPS.to));
  return [
    ...undos.filter((undo) => undo.kind === 'route').map(removal),
    ...links.map(({ name }) => ['link', 'set', 'dev', name, 'group', group]),
    ['link', 'del', 'group', group],
  ];
}

/** Group numbers that are unlikely to be in use and that differ between runs. */
const GROUPS = { from: 2 ** 30, to: 2 ** 31 - 1 };

const removal = (undo: Removable): string[] =>
  undo.kind === 'link' ? ['link', 'del', undo.name] : ['route', 'del', undo.destination];

async function runIp(netns: string | null, lines: readonly string[][]): Promise<{ readonly stderr: string }> {
  if (lines.length === 0) return { stderr: '' };
  // `-force`: one link that has gone does not stop the others.
  return runCommand(['ip', '-force', '-batch', '-'], {
    netns,
    shielded: true,
    input: batchInput(lines.map((args) => ({ args }))),
  });
}
