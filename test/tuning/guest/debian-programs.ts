import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cached } from '../../../src/machine/index.js';
import { testCache } from '../../go-programs.js';

const run = promisify(execFile);

/**
 * A folder with the files of Debian's packages and of what they need and this machine lacks. Nothing is installed: a guest takes
 * them over. The first call downloads a megabyte.
 *
 * @throws where apt knows no such packages
 */
export async function unpackDebian(...packages: readonly string[]): Promise<string> {
  return cached(testCache('debian', packages.join('+')), async (entry) => {
    const { path } = entry;
    const options = ['Debug::NoLocking=1', 'APT::Sandbox::User=root', `Dir::Cache::archives=${path}/`];
    await run('mkdir', [join(path, 'partial')]);
    await run('apt-get', [
      ...['install', '-y', '-q', '--no-install-recommends', '--download-only'],
      ...options.flatMap((option) => ['-o', option]),
      ...packages,
    ]);
    for (const name of (await readdir(path)).filter((file) => file.endsWith('.deb'))) {
      await run('dpkg', ['-x', join(path, name), path]);
      await entry.remove(name);
    }
    await entry.remove('partial');
  });
}
