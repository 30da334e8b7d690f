import { machineError } from '../schema/index.js';

/** What h2load says of a run. */
export interface LoadRun {
  readonly requests: number;
  /** Of the guest's clock, which advances a nanosecond with each instruction. */
  readonly instructions: number;
}

/** h2load prints its time in few digits and the rate that it made of it in many. */
const RATE = /^finished in [^,]+, (?<rate>[\d.]+) req\/s/m;
const COUNTS = /^requests: (?<total>\d+) total, .*?(?<good>\d+) succeeded/m;
const NS_PER_S = 1e9;

/** @throws BarewireError `load-failed` where a request was not answered well, with what it printed. */
export function readLoadRun(output: string): LoadRun {
  const rate = Number(RATE.exec(output)?.groups?.['rate']);
  const { total, good } = COUNTS.exec(output)?.groups ?? {};
  const requests = Number(total);
  if (total === undefined || total !== good || !(rate > 0))
    throw machineError(
      'load-failed',
      `The client in the guest did not get its answers: ${output.trim().slice(-400)}`,
      'Try `h2load --h1 -n 100 -c 1 URL` by hand against an nginx of your own.',
    );
  return { requests, instructions: (requests / rate) * NS_PER_S };
}

/**
 * Instructions a request, without what a run costs once: what each long run has more than the short ones. Of those the median serves
 * all: they say what to take away, and no more.
 */
export function slopes(few: readonly LoadRun[], many: readonly LoadRun[]): number[] {
  const once = summarizeRepeats(few.map(({ instructions }) => instructions)).value;
  const before = few[0]?.requests ?? 0;
  return many.map(({ instructions, requests }) => (instructions - once) / (requests - before));
}

export interface RepeatedMeasurement {
  /** The median. */
  readonly value: number;
  /** The greatest distance of a repeat from it, as a share. */
  readonly spread: number;
}

export function summarizeRepeats(values: readonly number[]): RepeatedMeasurement {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  const value = ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
  return { value, spread: Math.max(...sorted.map((each) => Math.abs(each / value - 1))) };
}

/** Beyond it a figure does not repeat. */
export const MAX_REPEAT_SPREAD = 0.005;
