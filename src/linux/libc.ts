import koffi from 'koffi';
import { constants } from 'node:os';

/**
 * The C library, called synchronously: a call costs about 175 ns and allocates nothing. Koffi's asynchronous
 * calls and libraries that start threads are avoided: its issue list has crashes (190) and hangs (274) there.
 */
export const libc = koffi.load('libc.so.6');

// Some numbers have two names (EAGAIN is also EWOULDBLOCK): the first in the alphabet is used.
const errnoNames = new Map(
  Object.entries(constants.errno)
    .sort(([a], [b]) => b.localeCompare(a))
    .map(([name, value]) => [value, name]),
);

/** `ENOENT`, `EBUSY`, …; the number in digits when it has no name. */
export const errnoName = (errno: number): string => errnoNames.get(errno) ?? String(errno);

/** A failed system call: its name, and the kernel's error number and name. */
export class SyscallError extends Error {
  override readonly name = 'SyscallError';
  readonly call: string;
  readonly errno: number;
  /** See `errnoName`. */
  readonly errnoName: string;

  constructor(call: string, errno: number) {
    super(`${call} failed: ${errnoName(errno)}`);
    this.call = call;
    this.errno = errno;
    this.errnoName = errnoName(errno);
  }
}

/** errno of the last call of this thread. */
export const lastErrno = (): number => koffi.errno();
