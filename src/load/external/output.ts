import { type BarewireError, machineError } from '../../schema/index.js';
import type { ExternalName } from './types.js';

/** The groups of the one place where `pattern` matches. */
export function find(name: ExternalName, text: string, pattern: RegExp): readonly string[] {
  const match = pattern.exec(text);
  if (match === null) throw notItsOutput(name, `nothing in it matches ${String(pattern)}`);
  return match.slice(1);
}

/** The same, where all groups are numbers. */
export function findNumbers(name: ExternalName, text: string, pattern: RegExp): readonly number[] {
  return find(name, text, pattern).map((digits) => numberOf(name, digits));
}

export function numberOf(name: ExternalName, digits: string): number {
  const number = Number(digits);
  if (digits.trim() !== '' && Number.isFinite(number) && number >= 0) return number;
  throw notItsOutput(name, `"${digits}" is no number`);
}

export const notItsOutput = (name: ExternalName, why: string): BarewireError =>
  machineError(
    'process-failed',
    `The output of ${name} is not what Barewire knows of it: ${why}.`,
    'It may be of a version that prints something else; `barewire study` without --generator needs none.',
  );
