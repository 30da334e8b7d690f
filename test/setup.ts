import { execFileSync } from 'node:child_process';
import { assertNothingLeft, snapshotMachine } from './leaks.js';

/** Builds what the tests run, and fails the run when it leaves anything on the machine. */
export default async function setup(): Promise<() => Promise<void>> {
  execFileSync(process.execPath, ['scripts/build.mjs']);
  const before = await snapshotMachine();
  return () => assertNothingLeft(before);
}
