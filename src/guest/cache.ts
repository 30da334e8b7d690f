import { existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryFlock } from '../linux/index.js';

/**
 * The directory for what takes minutes or megabytes to create and is the same for every run:
 * `$XDG_CACHE_HOME/barewire` or `~/.cache/barewire`.
 */
export const cacheDirectory = (): string => {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'barewire');
};

const UNFINISHED = '.new';
const RETRY_MS = 100;

/**
 * Returns a path in the cache, created by `make` if missing. It is created beside its path under a lock and
 * renamed when complete, so that a killed run leaves nothing that a later one would use.
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

/** Unfinished entries without a lock holder were left by killed runs. */
async function sweep(folder: string): Promise<void> {
  const left = (await readdir(folder)).filter((name) => name.endsWith(UNFINISHED));
  await Promise.all(left.map((name) => rm(join(folder, name), { recursive: true })));
}

/**
 * The lock ends with its holder and needs no cleanup. The empty file stays, because other runs may have it
 * open.
 */
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
