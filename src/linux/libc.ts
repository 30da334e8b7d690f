import type Koffi from 'koffi';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { machineError } from '../schema/index.js';

/**
 * The FFI library; null on another system than Linux, and where it is not installed. What drives other machines only (`ssh`,
 * `kubernetes`) runs without it.
 */
export const koffi = loadLibrary();

function loadLibrary(): typeof Koffi | null {
  if (process.platform !== 'linux') return null;
  try {
    return createRequire(import.meta.url)('koffi') as typeof Koffi;
  } catch {
    return null;
  }
}

/**
 * The C library that this process has loaded, glibc or musl. Calls are synchronous: one costs about 175 ns and allocates nothing.
 * Koffi's asynchronous calls and libraries that start threads are avoided: its issue list has crashes (190) and hangs (274) there.
 */
const library = koffi?.load(null);

type NativeFunction = ReturnType<NonNullable<typeof library>['func']>;

/**
 * Declares a function of the C library. Without the FFI library every call throws; the other members of a declared function, which
 * nothing here uses, are then missing.
 */
export const libc = {
  func: (declaration: string): NativeFunction =>
    library?.func(declaration) ?? (absent as unknown as NativeFunction),
};

/** @throws BarewireError `missing-tool` without the library, `missing-kernel-feature` on another system */
export function absent(): never {
  if (process.platform === 'linux')
    throw machineError(
      'missing-tool',
      `The library koffi, which makes system calls, does not load (linux ${process.arch}).`,
      'Install Barewire with its dependencies (npm install without --omit=optional), or measure other machines: --testbed ssh:CLIENT,SERVER or kubernetes.',
    );
  throw machineError(
    'missing-kernel-feature',
    `It makes system calls of Linux, and this is ${process.platform} ${process.arch}.`,
    'Run it on Linux, or measure other machines: --testbed ssh:CLIENT,SERVER or kubernetes.',
  );
}

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
export const lastErrno = (): number => koffi?.errno() ?? 0;
