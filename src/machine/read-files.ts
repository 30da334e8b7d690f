import { readFile } from 'node:fs/promises';
import type { FilesRead } from './types.js';

const GONE = new Set(['ENOENT', 'ESRCH', 'ENOTDIR']);

/** Reads all files at once; the time is the monotonic clock when reading began. */
export async function readFilesNow(paths: readonly string[]): Promise<FilesRead> {
  const atNs = Number(process.hrtime.bigint());
  const texts = await Promise.all(paths.map(readOrNull));
  return { atNs, files: Object.fromEntries(paths.map((path, index) => [path, texts[index] ?? null])) };
}

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    // A process that exits between open and read gives ESRCH.
    if (GONE.has((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}
