import { readFileSync, statSync } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as z from 'zod';
import { tryFlock } from '../linux/index.js';
import { type BarewireError, machineError } from '../schema/index.js';
import { makeFolder } from './files.js';
import { lockPath } from './installation.js';

const holderSchema = z.object({ pid: z.number(), since: z.string(), purpose: z.string() });

/**
 * Locks the machine for one run; released by disposing and by the end of this process. Throws `locked` with
 * the holder and its start time.
 */
export const lockMachine = (purpose: string): Promise<AsyncDisposable> => lockFile(lockPath(), purpose);

/** Locks a file for one process, as `lockMachine` does. */
export async function lockFile(path: string, purpose: string): Promise<AsyncDisposable> {
  makeFolder(dirname(path));
  for (;;) {
    const file = await open(path, 'a+');
    if (!tryFlock(file.fd)) {
      await file.close();
      throw lockedBy(path);
    }
    // The previous holder may have removed the file between our open and our lock.
    if (isAt(path, await file.stat())) return hold(file, path, purpose);
    await file.close();
  }
}

async function hold(file: FileHandle, path: string, purpose: string): Promise<AsyncDisposable> {
  await file.truncate();
  await file.appendFile(JSON.stringify({ pid: process.pid, since: new Date().toISOString(), purpose }));
  return {
    [Symbol.asyncDispose]: async () => {
      await rm(path, { force: true });
      await file.close();
    },
  };
}

const isAt = (path: string, { ino }: { ino: number }): boolean =>
  statSync(path, { throwIfNoEntry: false })?.ino === ino;

function lockedBy(path: string): BarewireError {
  const holder = readHolder(path);
  const who =
    holder === null
      ? 'another Barewire'
      : `another Barewire (${holder.purpose}, process ${holder.pid}, since ${holder.since})`;
  return machineError(
    'locked',
    `This machine is in use by ${who}`,
    'Wait until it ends: two studies at once would disturb each other.',
  );
}

function readHolder(path: string): z.infer<typeof holderSchema> | null {
  try {
    return holderSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    // The holder has locked the file but not written it yet.
    return null;
  }
}
