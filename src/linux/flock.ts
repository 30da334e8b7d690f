import { lastErrno, libc, SyscallError } from './libc.js';

const flock: (fd: number, operation: number) => number = libc.func('int flock(int fd, int operation)');
const LOCK_EX = 2;
const LOCK_NB = 4;

/** Locks an open file until it is closed or its process ends. False when another process holds the lock. */
export function tryFlock(fd: number): boolean {
  if (flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
  const error = new SyscallError('flock', lastErrno());
  if (error.errnoName === 'EAGAIN') return false;
  throw error;
}
