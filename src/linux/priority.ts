import { readFileSync, writeFileSync } from 'node:fs';
import { lastErrno, libc, SyscallError } from './libc.js';

const PRIO_PROCESS = 0;
const FIRST = -20;
const setpriority: (which: number, who: number, nice: number) => number = libc.func(
  'int setpriority(int which, int who, int nice)',
);

/**
 * Puts the calling thread first among those that share its CPU. It is not made a real-time one: that would be cut off for
 * 50 ms each second where anything else waits for its CPU.
 *
 * @throws SyscallError EACCES without the right to
 */
export function putThreadFirst(): void {
  if (setpriority(PRIO_PROCESS, 0, FIRST) !== 0) throw new SyscallError('setpriority', lastErrno());
}

/**
 * The same for a whole session, by its leader: the kernel weighs it as one where it groups tasks by session
 * (CONFIG_SCHED_AUTOGROUP), and a thread's priority counts only within.
 */
export function putSessionFirst(leader: number): void {
  try {
    writeFileSync(`/proc/${leader}/autogroup`, String(FIRST));
  } catch {
    // No such grouping, no right to, or ended already.
  }
}

/** The same for the session of this process, when it leads one. */
export function putOwnSessionFirst(): void {
  const session = Number(readFileSync('/proc/self/stat', 'latin1').split(') ').at(-1)?.split(' ')[3]);
  if (session === process.pid) putSessionFirst(session);
}
