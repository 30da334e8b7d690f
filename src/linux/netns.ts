import { closeSync, openSync, statSync } from 'node:fs';
import { lastErrno, libc, SyscallError } from './libc.js';

const setns: (fd: number, type: number) => number = libc.func('int setns(int fd, int type)');
const unshare: (flags: number) => number = libc.func('int unshare(int flags)');
const umount2: (path: string, flags: number) => number = libc.func(
  'int umount2(const char *path, int flags)',
);
const CLONE_NEWNET = 0x40000000;
const MNT_DETACH = 2;

/** The path of a namespace's name, where `ip netns` keeps it. */
export const netnsPath = (name: string): string => `/run/netns/${name}`;

/** True when a namespace of that name exists. */
export const netnsExists = (name: string): boolean =>
  statSync(netnsPath(name), { throwIfNoEntry: false }) !== undefined;

/**
 * Runs `work` with this thread in the namespace. The work must be synchronous: a callback or an `await` would
 * run in the original namespace. A process spawned in it stays there, because fork copies the calling thread.
 * Throws `SyscallError`, or Node's own error when there is no such namespace.
 */
export function inNetns<T>(name: string | null, work: () => T): T {
  if (name === null) return work();
  return inNetnsOf(() => enter(netnsPath(name)), work);
}

/** As `inNetns`, with the namespace's own path, such as `/proc/PID/ns/net`. */
export const inNetnsAt = <T>(path: string, work: () => T): T => inNetnsOf(() => enter(path), work);

/** Runs `work` with this thread in a new, empty, private namespace that is removed afterwards. */
export function inScratchNetns<T>(work: () => T): T {
  return inNetnsOf(() => {
    if (unshare(CLONE_NEWNET) !== 0) throw new SyscallError('unshare', lastErrno());
  }, work);
}

/**
 * Moves this thread into the namespace until disposed. For a worker thread that does one thing at a time:
 * asynchronous work also runs there. Null stays.
 */
export function enterNetns(name: string | null): Disposable {
  return name === null ? { [Symbol.dispose]: () => undefined } : leave(() => enter(netnsPath(name)));
}

function inNetnsOf<T>(go: () => void, work: () => T): T {
  using _there = leave(go);
  return work();
}

/** Moves the thread, and moves it back when disposed. */
function leave(go: () => void): Disposable {
  // The thread's own entry: in a worker thread, /proc/self is the main thread's.
  const home = openSync('/proc/thread-self/ns/net', 'r');
  const close = (): void => closeSync(home);
  try {
    go();
  } catch (error) {
    close();
    throw error;
  }
  return {
    [Symbol.dispose]: () => {
      try {
        setNamespace(home);
      } finally {
        close();
      }
    },
  };
}

function enter(path: string): void {
  const fd = openSync(path, 'r');
  try {
    setNamespace(fd);
  } finally {
    closeSync(fd);
  }
}

function setNamespace(fd: number): void {
  if (setns(fd, CLONE_NEWNET) !== 0) throw new SyscallError('setns', lastErrno());
}

/** Unmounts a namespace's name; the caller removes the file. False when nothing was mounted there. */
export function unmountNetns(name: string): boolean {
  // The kernel tears the namespace down asynchronously after the last process left it.
  if (umount2(netnsPath(name), MNT_DETACH) === 0) return true;
  const error = new SyscallError('umount2', lastErrno());
  if (error.errnoName === 'EINVAL') return false;
  throw error;
}
