import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as z from 'zod';
import { tryFlock } from '../linux/index.js';
import { type BarewireError, machineError } from '../schema/index.js';
import { lockPath } from './state-directory.js';

const holderSchema = z.object({ pid: z.number(), since: z.string(), purpose: z.string() });

/**
 * Takes the machine for one run; disposing gives it back, and so does the end of this process, however it ends.
 * Throws `locked`, with who holds it and since when.
 */
export async function lockMachine(purpose: string): Promise<AsyncDisposable> {
  const path = lockPath();
  mkdirSync(dirname(path), { recursive: true });
  for (;;) {
    const file = await open(path, 'a+');
    if (!tryFlock(file.fd)) {
      await file.close();
      throw lockedBy(path);
    }
    // The holder before us may have removed the file between our open and our lock.
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
    'Wait until it ends: two at once would measure each other.',
  );
}

function readHolder(path: string): z.infer<typeof holderSchema> | null {
  try {
    return holderSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    // Between its lock and its first line: it is held all the same.
    return null;
  }
}
