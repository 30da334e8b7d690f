import { machineError } from '../schema/index.js';

/** What h2load reports of a run. */
export interface LoadRun {
  readonly requests: number;
  /** By the guest's clock, which advances one nanosecond per instruction. */
  readonly instructions: number;
}

/** h2load prints its time with few digits and the rate derived from it with many. */
const RATE = /^finished in [^,]+, (?<rate>[\d.]+) req\/s/m;
const COUNTS = /^requests: (?<total>\d+) total, .*?(?<good>\d+) succeeded/m;
const NS_PER_S = 1e9;

/** @throws BarewireError `load-failed` when a request did not succeed, with the output */
export function readLoadRun(output: string): LoadRun {
  const rate = Number(RATE.exec(output)?.groups?.['rate']);
  const { total, good } = COUNTS.exec(output)?.groups ?? {};
  const requests = Number(total);
  if (total === undefined || total !== good || !(rate > 0))
    throw machineError(
      'load-failed',
      `The client in the guest did not get its responses: ${output.trim().slice(-400)}`,
      'Run `h2load --h1 -n 100 -c 1 URL` by hand against an nginx.',
    );
  return { requests, instructions: (requests / rate) * NS_PER_S };
}

/**
 * Instructions per request without the fixed cost of a run: the excess of each long run over the short ones.
 * The median of the short runs serves all, because they only determine what to subtract.
 */
export function slopes(few: readonly LoadRun[], many: readonly LoadRun[]): number[] {
  const once = summarizeRepeats(few.map(({ instructions }) => instructions)).value;
  const before = few[0]?.requests ?? 0;
  return many.map(({ instructions, requests }) => (instructions - once) / (requests - before));
}

export interface RepeatedMeasurement {
  /** The median. */
  readonly value: number;
  /** The greatest deviation of a repeat from it, as a share. */
  readonly spread: number;
}

export function summarizeRepeats(values: readonly number[]): RepeatedMeasurement {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  const value = ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
  return { value, spread: Math.max(...sorted.map((each) => Math.abs(each / value - 1))) };
}

/** Above it a count does not repeat. */
export const MAX_REPEAT_SPREAD = 0.005;
