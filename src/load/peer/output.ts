import { BarewireError } from '../../schema/index.js';
import type { PeerName } from './types.js';

/** The groups of the one place where `pattern` matches. */
export function find(name: PeerName, text: string, pattern: RegExp): readonly string[] {
  const match = pattern.exec(text);
  if (match === null) throw notItsOutput(name, `nothing in it matches ${String(pattern)}`);
  return match.slice(1);
}

/** The same, where all groups are numbers. */
export function findNumbers(name: PeerName, text: string, pattern: RegExp): readonly number[] {
  return find(name, text, pattern).map((digits) => numberOf(name, digits));
}

export function numberOf(name: PeerName, digits: string): number {
  const number = Number(digits);
  if (digits.trim() !== '' && Number.isFinite(number) && number >= 0) return number;
  throw notItsOutput(name, `"${digits}" is no number`);
}

export const notItsOutput = (name: PeerName, why: string): BarewireError =>
  new BarewireError(`The output of ${name} is not what Barewire knows of it: ${why}.`, {
    code: 'process-failed',
    fault: 'machine',
    hint: 'It may be of a version that prints something else; `barewire study` without --generator needs none.',
  });
