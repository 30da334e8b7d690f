import { setTimeout as sleep } from 'node:timers/promises';

/** Repeats a check until it holds. An error of the check counts as not yet. */
export async function until(
  what: string,
  check: () => Promise<boolean> | boolean,
  limitMs = 15_000,
): Promise<void> {
  const end = performance.now() + limitMs;
  let last: unknown;
  while (performance.now() < end) {
    try {
      if (await check()) return;
    } catch (error) {
      last = error;
    }
    await sleep(10);
  }
  throw new Error(`Timed out after ${limitMs} ms: ${what}`, { cause: last });
}
