import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { lastErrno, libc, SyscallError } from './libc.js';

const PR_SET_TIMERSLACK = 29;
const MASK_BYTES = 128;
const setAffinity: (thread: number, bytes: number, mask: Uint8Array) => number = libc.func(
  'int sched_setaffinity(int thread, size_t bytes, uint8_t *mask)',
);
const prctl: (option: number, value: number, third: number, fourth: number, fifth: number) => number =
  libc.func('int prctl(int option, ulong value, ulong third, ulong fourth, ulong fifth)');

/**
 * Pins the calling thread, and no other, to one CPU.
 *
 * @throws SyscallError EINVAL when there is no such CPU, or this process may not use it
 */
export function pinThread(cpu: number): void {
  const mask = new Uint8Array(MASK_BYTES);
  if (cpu < 0 || cpu >= MASK_BYTES * 8) throw new SyscallError('sched_setaffinity', EINVAL);
  mask[cpu >> 3]! |= 1 << (cpu & 7);
  if (setAffinity(0, MASK_BYTES, mask) !== 0) throw new SyscallError('sched_setaffinity', lastErrno());
}

const EINVAL = 22;

/** Sets how much later than requested the kernel may wake the calling thread: 50 µs by default. */
export function setTimerSlack(ns: number): void {
  if (prctl(PR_SET_TIMERSLACK, ns, 0, 0, 0) !== 0) throw new SyscallError('prctl', lastErrno());
}

const PRIO_PROCESS = 0;
const FIRST = -20;
const setpriority: (which: number, who: number, nice: number) => number = libc.func(
  'int setpriority(int which, int who, int nice)',
);

/**
 * Raises the calling thread's priority over others on its CPU. Not to real time: a real-time thread is
 * stopped for 50 ms each second when others wait for its CPU.
 *
 * @throws SyscallError EACCES without permission
 */
export function setHighThreadPriority(): void {
  if (setpriority(PRIO_PROCESS, 0, FIRST) !== 0) throw new SyscallError('setpriority', lastErrno());
}

/**
 * Raises a whole session, by its leader: with CONFIG_SCHED_AUTOGROUP the kernel weighs a session as one, and
 * a thread's priority counts only within.
 */
export function setHighSessionPriority(leader: number): void {
  try {
    writeFileSync(`/proc/${leader}/autogroup`, String(FIRST));
  } catch {
    // No such grouping, no permission, or the process has exited.
  }
}

/** Raises the session of this process, when it is the leader. */
export function setHighOwnSessionPriority(): void {
  const session = Number(readFileSync('/proc/self/stat', 'latin1').split(') ').at(-1)?.split(' ')[3]);
  if (session === process.pid) setHighSessionPriority(session);
}

const NR_SCHED_SETATTR = process.arch === 'x64' ? 314 : 274;
const setAttributes: (number: number, thread: number, attributes: Uint8Array, flags: number) => number =
  libc.func('long syscall(long number, long thread, uint8_t *attributes, long flags)');
/** The shortest slice that the kernel grants (struct sched_attr in sched_setattr(2); used since 6.12). */
const SHORT_TURN_NS = 100_000n;

/**
 * Requests a time slice of 0.1 ms for a thread and those that it starts, by default for all of this process. Otherwise a thread of
 * higher priority waits for up to 3 ms each time that one of these runs; and of two threads the one with the shorter slice runs
 * at once when it wakes up. Older kernels ignore it.
 */
export function setShortTimeSlice(
  threads: readonly number[] = readdirSync('/proc/self/task').map(Number),
): void {
  for (const thread of threads) {
    const attributes = new DataView(new ArrayBuffer(56));
    attributes.setUint32(0, attributes.byteLength, true);
    attributes.setInt32(16, getPriority(thread), true);
    attributes.setBigUint64(24, SHORT_TURN_NS, true);
    setAttributes(NR_SCHED_SETATTR, thread, new Uint8Array(attributes.buffer), 0);
  }
}

const SCHED_RR = 2;
const SCHED_RESET_ON_FORK = 0x4000_0000;
const setScheduler: (thread: number, policy: number, parameter: Uint8Array) => number = libc.func(
  'int sched_setscheduler(int thread, int policy, uint8_t *parameter)',
);

/**
 * Lets the calling thread run before all that it observes: in real time, at the lowest of its priorities. For a thread that works
 * for some milliseconds at a time; its children have normal priority. Without the right to it, readings of a busy CPU come late,
 * and those that come too late become findings.
 */
export function setObserverPriority(): void {
  // struct sched_param: its priority, in the machine's byte order; 1 on little-endian machines, which Node's are.
  setScheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, Uint8Array.of(1, 0, 0, 0));
}
