import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory, cached, type CacheEntry } from '../src/machine/index.js';

const run = promisify(execFile);

/** A path in the cache of what the tests build. */
export const testCache = (...names: string[]): string => join(cacheDirectory(), 'test-cluster', ...names);

/** Runs Go at a low priority and on two CPUs at most. */
export async function go(folder: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run('nice', ['go', ...args], {
    cwd: folder,
    env: { ...process.env, CGO_ENABLED: '0', GOWORK: 'off', GOFLAGS: '-mod=readonly -buildvcs=false' },
    maxBuffer: 1 << 26,
  });
  return stdout.trim();
}

/** Keeps one build for each content of the folder, each set of flags and each version of Go. */
export async function built(
  name: string,
  folder: string,
  flags: readonly string[],
  build: (made: CacheEntry) => Promise<void>,
): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([flags, await go(folder, ['env', 'GOVERSION'])]));
  const files = (await readdir(folder, { recursive: true })).filter((file) => /\.(go|mod|sum)$/.test(file));
  for (const file of files.sort()) hash.update(`${file}\n`).update(await readFile(join(folder, file)));
  return cached(testCache(name, hash.digest('hex').slice(0, 16)), async (made) => {
    console.error(`Building ${name} for the tests, which takes minutes …`);
    await build(made);
  });
}
