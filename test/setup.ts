import { execFileSync } from 'node:child_process';
import { assertNothingLeft, snapshotMachine } from './leaks.js';

/**
 * Builds what the tests run, and fails the run when it leaves anything on the machine. Leftovers of an earlier, killed run are
 * undone first: the studies of the tests would do so, and the machine would differ from the snapshot.
 */
export default async function setup(): Promise<() => Promise<void>> {
  execFileSync(process.execPath, ['scripts/build.mjs']);
  execFileSync(process.execPath, ['dist/barewire.mjs', 'undo'], { stdio: ['ignore', 'inherit', 'inherit'] });
  const before = await snapshotMachine();
  return () => assertNothingLeft(before);
}
