import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Summary } from '../src/schema/index.js';

export const title = 'The default study: all networks that this kernel carries × 3 rates × 3 restarts';

/** Wall time of the whole command, from start to report, and the share of it in recorded windows. */
export async function bench(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'barewire-bench-'));
  try {
    const start = performance.now();
    const args = ['study', '--json', '--out', join(folder, 'quick')];
    const stdout = await output('bin/barewire', args);
    const wallS = (performance.now() - start) / 1_000;
    const summary = JSON.parse(stdout) as Summary;
    const slices = summary.networks.flatMap(({ cells }) => cells);
    const invalid = slices.reduce((sum, { invalidSlices }) => sum + invalidSlices, 0);
    const measuredS = summary.measuringShare * summary.wallS;
    return [
      `slices           ${summary.slices} of ${summary.plannedSlices}, ${invalid} invalid`,
      `wall             ${wallS.toFixed(1)} s (aim: at most 180)`,
      `recorded windows ${measuredS.toFixed(1)} s, ${((100 * measuredS) / wallS).toFixed(1)} % of the wall (aim: at least 75)`,
    ].join('\n');
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What a program prints, whatever its exit status: a study in which a slice failed has a summary too. */
const output = (program: string, args: readonly string[]): Promise<string> =>
  new Promise((resolve) => execFile(program, args, { maxBuffer: 2 ** 26 }, (_, stdout) => resolve(stdout)));
