import { type BarewireError, machineError } from '../../schema/index.js';
import { Histogram } from '../../stats/index.js';
import type { ExternalName } from './types.js';

/** Returns the groups of the first match of `pattern`. */
export function find(name: ExternalName, text: string, pattern: RegExp): readonly string[] {
  const match = pattern.exec(text);
  if (match === null) throw unknownOutput(name, `no match of ${String(pattern)}`);
  return match.slice(1);
}

/** Returns the groups as numbers. */
export function findNumbers(name: ExternalName, text: string, pattern: RegExp): readonly number[] {
  return find(name, text, pattern).map((digits) => numberOf(name, digits));
}

export function numberOf(name: ExternalName, digits: string): number {
  const number = Number(digits);
  if (digits.trim() !== '' && Number.isFinite(number) && number >= 0) return number;
  throw unknownOutput(name, `"${digits}" is not a number`);
}

export const unknownOutput = (name: ExternalName, why: string): BarewireError =>
  machineError(
    'process-failed',
    `Unknown output of ${name}: ${why}.`,
    'It may be of an unknown version. Run `barewire study` without --generator, which needs no external generator.',
  );

/** Equal latencies: the upper end of the interval that the tool reports, and their number. */
export interface Counted {
  readonly ns: number;
  readonly count: number;
}

export function histogramOf(all: Iterable<Counted>): Histogram {
  const histogram = new Histogram();
  for (const { ns, count } of all) for (let one = 0; one < count; one++) histogram.record(ns);
  return histogram;
}

/** A latency, and the cumulative number of samples that do not exceed it. */
export interface HistogramStep {
  readonly ns: number;
  readonly upTo: number;
}

/** Samples between two steps lie between their latencies and count as the upper one. */
export function histogramOfSteps(steps: readonly HistogramStep[]): Histogram {
  return histogramOf(steps.map(({ ns, upTo }, at) => ({ ns, count: upTo - (steps[at - 1]?.upTo ?? 0) })));
}
