import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { getPriority } from 'node:os';
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
export function raiseThreadPriority(): void {
  if (setpriority(PRIO_PROCESS, 0, FIRST) !== 0) throw new SyscallError('setpriority', lastErrno());
}

/**
 * The same for a whole session, by its leader: the kernel weighs it as one where it groups tasks by session
 * (CONFIG_SCHED_AUTOGROUP), and a thread's priority counts only within.
 */
export function raiseSessionPriority(leader: number): void {
  try {
    writeFileSync(`/proc/${leader}/autogroup`, String(FIRST));
  } catch {
    // No such grouping, no right to, or ended already.
  }
}

/** The same for the session of this process, when it leads one. */
export function raiseOwnSessionPriority(): void {
  const session = Number(readFileSync('/proc/self/stat', 'latin1').split(') ').at(-1)?.split(' ')[3]);
  if (session === process.pid) raiseSessionPriority(session);
}

const NR_SCHED_SETATTR = process.arch === 'x64' ? 314 : 274;
const setAttributes: (number: number, thread: number, attributes: Uint8Array, flags: number) => number =
  libc.func('long syscall(long number, long thread, uint8_t *attributes, long flags)');
/** The shortest that the kernel grants (struct sched_attr in sched_setattr(2); honoured from 6.12 on). */
const SHORT_TURN_NS = 100_000n;

/**
 * Lets this process have its CPU for 0.1 ms at a time, in all threads that it has now, and those that they start. Otherwise
 * a thread that is put first waits for up to 3 ms each time that one of these has its turn. An older kernel leaves all as
 * it is.
 */
export function setShortTimeSlice(): void {
  for (const entry of readdirSync('/proc/self/task')) {
    const thread = Number(entry);
    const attributes = new DataView(new ArrayBuffer(56));
    attributes.setUint32(0, attributes.byteLength, true);
    attributes.setInt32(16, getPriority(thread), true);
    attributes.setBigUint64(24, SHORT_TURN_NS, true);
    setAttributes(NR_SCHED_SETATTR, thread, new Uint8Array(attributes.buffer), 0);
  }
}
