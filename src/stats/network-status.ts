import type { NetworkStatus, NetworkSummary } from '../schema/index.js';
import type { CellSlices } from './cells.js';

type Status = Pick<NetworkSummary, 'status' | 'reason'>;

export function statusOf(known: NetworkStatus | undefined, cells: readonly CellSlices[]): Status {
  const records = cells.flatMap((cell) => cell.records);
  if (known?.support === 'no' && records.length === 0) return { status: 'unsupported', reason: known.reason };
  if (records.some((record) => record.status === 'measured')) return { status: 'measured', reason: null };
  const reasons = records.flatMap((record) => (record.status === 'failed' ? [record.reason] : []));
  return { status: 'failed', reason: commonest(reasons) ?? 'no slice of it was run' };
}

/** Medians over the slices that were set up. */
export function setupOf(cells: readonly CellSlices[]): NetworkSummary['setup'] {
  const setups = cells.flatMap((cell) => cell.records).flatMap(({ setup }) => setup ?? []);
  if (setups.length === 0) return null;
  return {
    steps: Math.round(median(setups.map((setup) => setup.steps))),
    ms: median(setups.map((setup) => setup.setUpMs)),
    tearDownMs: median(setups.map((setup) => setup.tearDownMs)),
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Of equally common ones the first in the alphabet, so that the order of the slices does not matter. */
function commonest(reasons: readonly string[]): string | null {
  const times = (reason: string): number => reasons.filter((other) => other === reason).length;
  return [...new Set(reasons)].sort().toSorted((a, b) => times(b) - times(a))[0] ?? null;
}
