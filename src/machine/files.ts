import { existsSync, mkdirSync } from 'node:fs';
import { copyFile, lstat, mkdir, open, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryFlock } from '../linux/index.js';
import { fileFault, machineError, userError } from '../schema/index.js';

/**
 * The directory for what takes minutes or megabytes to create and is the same for every run:
 * `$XDG_CACHE_HOME/barewire` or `~/.cache/barewire`.
 */
export const cacheDirectory = (): string => {
  const base = process.env['XDG_CACHE_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'barewire');
};

/** What is written beside its path, until it is complete. */
const UNFINISHED = '.new';
const RETRY_MS = 100;

/**
 * Returns a path in the cache, created by `make` if missing. It is created beside its path under a lock and
 * renamed when complete, so that a killed run leaves nothing that a later one would use.
 */
export async function cached(
  path: string,
  make: (entry: CacheEntry) => Promise<void>,
  signal?: AbortSignal,
): Promise<string> {
  if (existsSync(path)) return path;
  const folder = dirname(path);
  makeFolder(folder);
  await using _lock = await lockFolder(folder, signal);
  if (existsSync(path)) return path;
  // Unfinished entries without a lock holder were left by killed runs.
  const left = (await readdir(folder)).filter((name) => name.endsWith(UNFINISHED));
  await Promise.all(left.map((name) => rm(join(folder, name), { recursive: true })));
  await mkdir(`${path}${UNFINISHED}`);
  await make(new CacheEntry(`${path}${UNFINISHED}`));
  await rename(`${path}${UNFINISHED}`, path);
  return path;
}

/** An unfinished entry of the cache: a directory. Names are relative to it. */
export class CacheEntry {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Creates the parent directories too. Returns the absolute path. */
  async write(name: string, content: string | Uint8Array, mode = 0o644): Promise<string> {
    const path = this.#prepare(name);
    await writeFile(path, content, { mode });
    return path;
  }

  /** Copies a file, or what a link points to. Returns the absolute path. */
  async copy(from: string, name: string): Promise<string> {
    const path = this.#prepare(name);
    await copyFile(from, path);
    return path;
  }

  async link(target: string, name: string): Promise<void> {
    await symlink(target, this.#prepare(name));
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.path, name), { recursive: true });
  }

  #prepare(name: string): string {
    const path = join(this.path, name);
    makeFolder(dirname(path));
    return path;
  }
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

/** Writes a file into a directory that a step created, which undo removes with it. */
export const writeScratch = (path: string, content: string): Promise<void> => writeFile(path, content);

/** Deletes a file that a started process wrote into such a directory. */
export const deleteScratch = (path: string): Promise<void> => rm(path);

/**
 * Writes a file beside its path and renames it into place, so that no reader sees a part of it. Creates its directories. One writer at a
 * time: what a killed one left is written over.
 */
export async function replaceFile(path: string, content: string, mode = 0o644): Promise<void> {
  makeFolder(dirname(path));
  const beside = `${path}${UNFINISHED}`;
  await writeFile(beside, content, { mode });
  await rename(beside, path);
}

/** Removes a file, unless it is gone, and what a killed writer of it left. */
export async function removeFile(path: string): Promise<void> {
  await rm(`${path}${UNFINISHED}`, { force: true });
  await rm(path, { force: true });
}

/** @throws BarewireError `bad-input` where the path of a unix socket is that of another file */
export async function requireSocketPath(path: string): Promise<void> {
  const found = await lstat(path).catch(() => null);
  if (found !== null && !found.isSocket())
    throw userError(`${path} is there, and is not a unix socket.`, 'Choose another path for the socket.');
}

/**
 * Removes the unix socket that a killed process left.
 *
 * @throws BarewireError `bad-input` where the path is that of another file
 */
export async function removeSocket(path: string): Promise<void> {
  await requireSocketPath(path);
  await rm(path, { force: true });
}

/** What says that a path is wrong, and not that the disk is. */
const WRONG_PATH: ReadonlySet<string> = new Set(['ENOENT', 'EACCES', 'EPERM', 'ENOTDIR', 'EEXIST', 'ELOOP']);

/**
 * Makes a folder and its parents, unless they are there. Node's own recursion never ends where a file system such as /proc refuses a new
 * name with ENOENT.
 *
 * @throws BarewireError `disk`
 */
export function makeFolder(path: string, mode = 0o777): void {
  const missing: string[] = [];
  for (let folder = path; !existsSync(folder); folder = dirname(folder)) missing.push(folder);
  for (const folder of missing.reverse())
    try {
      mkdirSync(folder, { mode });
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      // Another process was faster.
      if (code === 'EEXIST' && existsSync(folder)) continue;
      if (!WRONG_PATH.has(code)) throw error;
      throw machineError(
        'disk',
        `The folder ${folder} could not be made: ${code === 'ENOENT' ? 'its file system takes no new names' : fileFault(error)}.`,
        'Choose another path, or make the folder.',
        error,
      );
    }
}
