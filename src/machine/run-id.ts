import { randomInt } from 'node:crypto';

const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';
const LENGTH = 6;

/**
 * Creates a run's id: six random lower-case letters and digits, so that names made from it fit a link's 15
 * characters.
 */
export const freshRunId = (): string =>
  Array.from({ length: LENGTH }, () => LETTERS[randomInt(LETTERS.length)] ?? 'x').join('');
