import { lastErrno, libc, SyscallError } from './libc.js';

const mkfifo: (path: string, mode: number) => number = libc.func('int mkfifo(const char *path, uint mode)');

/** Creates a FIFO that only its owner can open. */
export function makeFifo(path: string): void {
  if (mkfifo(path, 0o600) !== 0) throw new SyscallError('mkfifo', lastErrno());
}
