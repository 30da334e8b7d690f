/**
 * For tests of the journal: BAREWIRE_KILL_AT_STEP=N kills this process with its whole group, by SIGKILL, right before the
 * N-th action that it takes (counted from 1); N.5 kills right after it.
 */
const killAt = Number(process.env['BAREWIRE_KILL_AT_STEP'] ?? 'NaN');
let taken = 0;

/** How many of the next actions may be taken in one go, so that the kill falls between two of them. */
export const actionsUntilKill = (): number =>
  Number.isNaN(killAt) ? Infinity : Math.max(1, Math.ceil(killAt) - 1 - taken);

export function beforeActions(): void {
  if (taken + 1 === killAt) process.kill(0, 'SIGKILL');
}

export function afterActions(count: number): void {
  taken += count;
  if (taken + 0.5 === killAt) process.kill(0, 'SIGKILL');
}
