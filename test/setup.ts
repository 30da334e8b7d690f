import { buildBundle } from '../scripts/build.mjs';
import { assertNothingLeft, snapshotMachine } from './leaks.js';

/** Builds what the tests run, and fails the run when it leaves anything on the machine. */
export default async function setup(): Promise<() => Promise<void>> {
  await buildBundle();
  const before = await snapshotMachine();
  return () => assertNothingLeft(before);
}
