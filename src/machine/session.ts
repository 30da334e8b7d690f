import { setTimeout as sleep } from 'node:timers/promises';
import { readProcess, readProcessTexts, sessionMembers, type ProcessEntry } from '../linux/index.js';
import { TAG } from './command.js';
import type { ProcessIdentity, Undo } from './journal-format.js';

type ProcessUndo = Extract<Undo, { kind: 'process' }>;

const GRACE_MS = 1000;
const KILL_MS = 3000;

/** True until the last thread of this very process has ended; a later process with its pid does not count. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  const entry = readProcess(pid);
  return entry !== null && entry.running && entry.startTime === startTime;
}

/** The identity of a running process; null when it has ended. */
export function identify(pid: number): ProcessIdentity | null {
  const entry = readProcess(pid);
  return entry === null ? null : { pid, startTime: entry.startTime };
}

/** Ends all processes of a session: SIGTERM, and SIGKILL after a second. Throws when some remain. */
export async function endSession(leader: ProcessIdentity, undo: ProcessUndo): Promise<void> {
  if (await signalUntilGone(leader, undo, 'SIGTERM', GRACE_MS)) return;
  if (await signalUntilGone(leader, undo, 'SIGKILL', KILL_MS)) return;
  const left = ours(leader, undo).map(({ pid }) => pid);
  throw new Error(`pids ${left.join(', ')} of ${undo.name} still exist ${KILL_MS} ms after SIGKILL`);
}

async function signalUntilGone(
  leader: ProcessIdentity,
  undo: ProcessUndo,
  signal: 'SIGTERM' | 'SIGKILL',
  limitMs: number,
): Promise<boolean> {
  const signalled = new Set<number>();
  const deadline = performance.now() + limitMs;
  for (let pauseMs = 1; ; pauseMs = Math.min(20, pauseMs * 2)) {
    const members = ours(leader, undo);
    if (members.length === 0) return true;
    if (performance.now() > deadline) return false;
    // Listed again each time: they may have started children.
    for (const { pid } of members.filter((member) => !signalled.has(member.pid)))
      try {
        process.kill(pid, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    for (const { pid } of members) signalled.add(pid);
    await sleep(pauseMs);
  }
}

/**
 * The members of the leader's session. The kernel does not reuse a pid while a session has it as its id, so
 * survivors of a dead leader are ours. Only when the whole session ended can the number belong to others; the
 * leader's start time, or the members' tag and title, then differ.
 */
function ours(leader: ProcessIdentity, undo: ProcessUndo): readonly ProcessEntry[] {
  const holder = readProcess(leader.pid);
  if (holder !== null && holder.startTime !== leader.startTime) return [];
  const members = sessionMembers(leader.pid);
  if (holder !== null) return members;
  return members.filter(({ pid, startTime }) => startTime >= leader.startTime && isOurs(pid, undo));
}

function isOurs(pid: number, undo: ProcessUndo): boolean {
  const { environ, cmdline } = readProcessTexts(pid);
  // nginx writes its title over its environment.
  return environ.includes(`${TAG}=${undo.tag} `) || cmdline.includes(undo.program);
}
