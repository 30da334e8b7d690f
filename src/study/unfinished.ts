import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BarewireError } from '../schema/index.js';
import { measurable } from './networks.js';
import { planTrials } from './plan.js';
import { ResultsDirectory } from './results.js';

/** The newest study under `folder` that has trials left to measure. */
export async function newestUnfinished(folder: string): Promise<ResultsDirectory> {
  const names = await readdir(folder).catch(() => []);
  const begun: { directory: ResultsDirectory; startedAt: string }[] = [];
  for (const name of names) {
    const directory = new ResultsDirectory(join(folder, name));
    if (!(await directory.exists())) continue;
    const { spec, networks, referenceMaxRps, startedAt } = await directory.readStudy();
    const planned = planTrials(spec, measurable(networks), referenceMaxRps).length;
    if ((await directory.readTrials()).length < planned) begun.push({ directory, startedAt });
  }
  const newest = begun.sort((a, b) => b.startedAt.localeCompare(a.startedAt))[0];
  if (newest !== undefined) return newest.directory;
  throw new BarewireError(`There is no unfinished study under ${folder}.`, {
    code: 'no-such-file',
    fault: 'user',
    hint: 'Name its directory with --out, or start a new study without --resume.',
  });
}
