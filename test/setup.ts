import { execFileSync } from 'node:child_process';
import { assertNothingLeft, snapshotMachine } from './leaks.js';

/**
 * Builds what the tests run, and fails the run when it leaves anything on the machine. What a run before that was killed has
 * left is put back first: the studies in the tests would do so, and the machine would not be as it was found.
 */
export default async function setup(): Promise<() => Promise<void>> {
  execFileSync(process.execPath, ['scripts/build.mjs']);
  execFileSync(process.execPath, ['dist/barewire.mjs', 'undo'], { stdio: ['ignore', 'inherit', 'inherit'] });
  const before = await snapshotMachine();
  return () => assertNothingLeft(before);
}
