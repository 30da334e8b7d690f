import { readFileSync } from 'node:fs';
import { lastErrno, libc, SyscallError } from './libc.js';

const RLIMIT_NOFILE = 7;
const prlimit: (pid: number, resource: number, next: BigUint64Array | null, old: BigUint64Array) => number =
  libc.func('int prlimit(int pid, int resource, const uint64_t *next, _Inout_ uint64_t *old)');

const CLONE_FILES = 0x400;
const unshare: (flags: number) => number = libc.func('int unshare(int flags)');

/**
 * Gives the calling thread descriptors of its own, a copy of the process's: the limit of open files holds for each such
 * thread by itself. For a thread that opens no files but its own and ends soon: what the process closes from now on stays
 * open here until then, and what it opens is not seen.
 *
 * @throws SyscallError
 */
export function unshareFiles(): void {
  if (unshare(CLONE_FILES) !== 0) throw new SyscallError('unshare', lastErrno());
}

/**
 * Lets this process have `count` files open, as far as the kernel allows it (root may go up to fs.nr_open), and returns
 * how many it may have now. Ends with the process.
 */
export function allowOpenFiles(count: number): number {
  const [soft, hard] = openFileLimits();
  if (soft >= count) return soft;
  if (hard < count) prlimit(0, RLIMIT_NOFILE, limits(mostOpenFiles(count)), limits(0));
  const allowed = Math.min(openFileLimits()[1], count);
  prlimit(0, RLIMIT_NOFILE, BigUint64Array.of(BigInt(allowed), BigInt(openFileLimits()[1])), limits(0));
  return openFileLimits()[0];
}

const limits = (count: number): BigUint64Array => BigUint64Array.of(BigInt(count), BigInt(count));

function openFileLimits(): [soft: number, hard: number] {
  const old = limits(0);
  prlimit(0, RLIMIT_NOFILE, null, old);
  return [Number(old[0]), Number(old[1])];
}

const mostOpenFiles = (count: number): number =>
  Math.min(count, Number(readFileSync('/proc/sys/fs/nr_open', 'ascii')));
