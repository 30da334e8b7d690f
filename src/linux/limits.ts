import { readFileSync } from 'node:fs';
import { lastErrno, libc, SyscallError } from './libc.js';

const RLIMIT_NOFILE = 7;
const prlimit: (pid: number, resource: number, next: BigUint64Array | null, old: BigUint64Array) => number =
  libc.func('int prlimit(int pid, int resource, const uint64_t *next, _Inout_ uint64_t *old)');

const CLONE_FILES = 0x400;
const unshare: (flags: number) => number = libc.func('int unshare(int flags)');

/**
 * Gives the calling thread its own descriptor table, a copy of the process's: the limit of open files then
 * applies to each such thread separately. For a thread that opens only its own files and ends soon: files
 * that the process closes later stay open here until then, and files that it opens are not visible.
 *
 * @throws SyscallError
 */
export function unshareFiles(): void {
  if (unshare(CLONE_FILES) !== 0) throw new SyscallError('unshare', lastErrno());
}

/**
 * Raises this process's limit of open files to `count` as far as the kernel allows (root may go up to
 * fs.nr_open), and returns the limit. Lasts until the process ends.
 */
export function allowOpenFiles(count: number): number {
  const [soft, hard] = openFileLimits();
  if (soft >= count) return soft;
  if (hard < count)
    prlimit(
      0,
      RLIMIT_NOFILE,
      limits(Math.min(count, Number(readFileSync('/proc/sys/fs/nr_open', 'ascii')))),
      limits(0),
    );
  const allowed = Math.min(openFileLimits()[1], count);
  prlimit(0, RLIMIT_NOFILE, BigUint64Array.of(BigInt(allowed), BigInt(openFileLimits()[1])), limits(0));
  return openFileLimits()[0];
}

const limits = (count: number): BigUint64Array => BigUint64Array.of(BigInt(count), BigInt(count));

/** Of this process. */
export function openFileLimits(): [soft: number, hard: number] {
  const old = limits(0);
  prlimit(0, RLIMIT_NOFILE, null, old);
  return [Number(old[0]), Number(old[1])];
}
