import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BarewireError, type StudyRecord, userError } from '../schema/index.js';
import { wantsMaximum, openSearches } from '../stats/index.js';
import { measurable, planSlices } from './plan-slices.js';
import { ResultsDirectory } from './results.js';
import { evidenceIn } from './search.js';

/**
 * Finds the newest study under `folder` with slices left to measure or a maximum to find. Skips damaged ones.
 */
export async function newestUnfinished(folder: string): Promise<ResultsDirectory> {
  const names = await readdir(folder).catch(() => []);
  const begun: { directory: ResultsDirectory; startedAt: string }[] = [];
  const damaged: string[] = [];
  for (const name of names) {
    const directory = new ResultsDirectory(join(folder, name));
    if (!(await directory.exists())) continue;
    try {
      const study = await directory.readStudy();
      if (await isUnfinished(directory, study)) begun.push({ directory, startedAt: study.startedAt });
    } catch (error) {
      if (!(error instanceof BarewireError) || error.code !== 'results-damaged') throw error;
      damaged.push(name);
    }
  }
  const newest = begun.sort((a, b) => b.startedAt.localeCompare(a.startedAt))[0];
  if (newest !== undefined) return newest.directory;
  const but = damaged.length === 0 ? '' : ` that can be read (damaged: ${damaged.join(', ')})`;
  throw userError(
    `No unfinished study under ${folder}${but}.`,
    'Name its directory with --out, or start a new study without --resume.',
    { code: 'no-such-file' },
  );
}

async function isUnfinished(directory: ResultsDirectory, study: StudyRecord): Promise<boolean> {
  const done = new Set((await directory.readSlices()).map(({ id }) => id));
  const planned = planSlices(study.spec, measurable(study.networks), study.referenceMaxRps);
  if (planned.some(({ id }) => !done.has(id))) return true;
  return wantsMaximum(study.spec) && openSearches(study, await evidenceIn(directory)).length > 0;
}
