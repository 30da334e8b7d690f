import { setTimeout as sleep } from 'node:timers/promises';
import type { Daemon } from './daemon.js';

const DEADLINE_MS = 120_000;

/** Repeats a check until it holds. An error of the check counts as not yet; a daemon that ended is an error. */
export async function waitUntil(
  what: string,
  daemons: readonly Daemon[],
  check: () => Promise<boolean> | boolean,
): Promise<void> {
  const until = performance.now() + DEADLINE_MS;
  let last: unknown;
  while (performance.now() < until) {
    for (const daemon of daemons) await daemon.assertRunning();
    try {
      if (await check()) return;
    } catch (error) {
      last = error;
    }
    await sleep(30);
  }
  throw new Error(`Timed out after ${DEADLINE_MS} ms: ${what}`, { cause: last });
}
