/**
 * For tests of the journal: BAREWIRE_KILL_AT_STEP=N sends SIGKILL to this process's group right before the
 * N-th action (counted from 1); N.5 right after it.
 */
const killAt = Number(process.env['BAREWIRE_KILL_AT_STEP'] ?? 'NaN');
let taken = 0;

/** How many actions may be batched so that the kill falls between two of them. */
export const actionsUntilKill = (): number =>
  Number.isNaN(killAt) ? Infinity : Math.max(1, Math.ceil(killAt) - 1 - taken);

export function beforeActions(): void {
  if (taken + 1 === killAt) process.kill(0, 'SIGKILL');
}

export function afterActions(count: number): void {
  taken += count;
  if (taken + 0.5 === killAt) process.kill(0, 'SIGKILL');
}
