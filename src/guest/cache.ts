import { existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryFlock } from '../linux/index.js';

/** What costs minutes or megabytes to make and is the same for every run: `$XDG_CACHE_HOME/barewire` or `~/.cache/barewire`. */
export const cacheDirectory = (): string => {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'barewire');
};

const UNFINISHED = '.new';
const RETRY_MS = 100;

/**
 * The path in the cache, made by `make` when it is not there. It is made beside its place, under a lock, and renamed when it is
 * whole, so that a run that is killed leaves nothing that a later one would take for good.
 */
export async function cached(
  path: string,
  make: (unfinished: string) => Promise<void>,
  signal?: AbortSignal,
): Promise<string> {
  if (existsSync(path)) return path;
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  await using _lock = await lockFolder(folder, signal);
  if (existsSync(path)) return path;
  await sweep(folder);
  await make(`${path}${UNFINISHED}`);
  await rename(`${path}${UNFINISHED}`, path);
  return path;
}

/** What is unfinished while nobody else has the lock was left by a run that was killed. */
async function sweep(folder: string): Promise<void> {
  const left = (await readdir(folder)).filter((name) => name.endsWith(UNFINISHED));
  await Promise.all(left.map((name) => rm(join(folder, name), { recursive: true })));
}

/** The lock ends with its holder, and so needs no tidying; the empty file stays, since others may have it open. */
async function lockFolder(folder: string, signal?: AbortSignal): Promise<AsyncDisposable> {
  const file = await open(join(folder, '.lock'), 'a');
  try {
    while (!tryFlock(file.fd)) await sleep(RETRY_MS, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    await file.close();
    throw error;
  }
  return { [Symbol.asyncDispose]: () => file.close() };
}
