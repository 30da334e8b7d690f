import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SliceRecord, StudyRecord, Summary } from '../../src/schema/index.js';
import { ResultsDirectory, readResults } from '../../src/study/index.js';
import { Run, type Ended } from '../cli/barewire.js';
import type { Cluster } from './cluster/index.js';

/** A few short slices: structure, not times. */
export const SHORT = ['--rounds', '1', '--restarts', '1', '--slice', '100ms', '--rates', '2000'] as const;

/** Runs the command line against a cluster, as a user with its kubeconfig would. */
export function onCluster(
  { kubeconfig, kubectlDir }: Pick<Cluster, 'kubeconfig' | 'kubectlDir'>,
  args: readonly string[],
): Run {
  return new Run(args, [
    'env',
    `KUBECONFIG=${kubeconfig}`,
    `PATH=${kubectlDir}:${process.env['PATH'] ?? ''}`,
  ]);
}

export interface StudyRun {
  readonly ended: Ended;
  readonly study: StudyRecord | null;
  readonly slices: readonly SliceRecord[];
  readonly summary: Summary | null;
}

/** Runs a study to its end. `during` sees it run. */
export async function runStudyOn(
  cluster: Pick<Cluster, 'kubeconfig' | 'kubectlDir'>,
  args: readonly string[],
  during: (run: Run) => Promise<void> = () => Promise.resolve(),
): Promise<StudyRun> {
  const folder = mkdtempSync(join(tmpdir(), 'barewire-kubernetes-'));
  try {
    const out = join(folder, 'results');
    const run = onCluster(cluster, [
      'study',
      '--testbed',
      'kubernetes',
      '--yes',
      '--json',
      '--out',
      out,
      ...args,
    ]);
    await during(run);
    const ended = await run.ended;
    const directory = new ResultsDirectory(out);
    if (!(await directory.exists())) return { ended, study: null, slices: [], summary: null };
    const { study, slices } = await readResults(directory);
    return {
      ended,
      study,
      slices: slices.map(({ record }) => record),
      summary: ended.stdout === '' ? null : (JSON.parse(ended.stdout) as Summary),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Asks until it holds. */
export async function until(what: string, holds: () => Promise<boolean>, limitMs = 30_000): Promise<void> {
  for (const deadline = performance.now() + limitMs; performance.now() < deadline;)
    if (await holds()) return;
    else await new Promise((resolve) => setTimeout(resolve, 100));
  throw new Error(`Not within ${limitMs} ms: ${what}`);
}
