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
 * The same for the whole session of this process, which the kernel weighs as one where it groups tasks by session
 * (CONFIG_SCHED_AUTOGROUP): a thread's priority counts only within. Does nothing in a session that is not its own.
 */
export function putOwnSessionFirst(): void {
  const session = Number(readFileSync('/proc/self/stat', 'latin1').split(') ').at(-1)?.split(' ')[3]);
  if (session !== process.pid) return;
  try {
    writeFileSync('/proc/self/autogroup', String(FIRST));
  } catch {
    // No such grouping, or no right to.
  }
}
