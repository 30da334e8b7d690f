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
