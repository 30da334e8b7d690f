import type { Verdict } from '../schema/index.js';
import { whole } from './number.js';

/** Beyond this many restarts nobody measures: something else has to change. */
export const MOST_BLOCKS = 100;
/** Of fewer, how far restarts are apart is not known well enough to say that so many would be needed. */
export const FEW_BLOCKS = 4;

export const impractical = (restartsNeeded: number | null): boolean => (restartsNeeded ?? 0) > MOST_BLOCKS;

/**
 * What an undecided verdict would take, in a few words; nothing where it is decided or nothing can be said.
 *
 * @param restarts how many the study has
 */
export function neededText({ verdict, restartsNeeded }: Verdict, restarts: number): string {
  if (verdict !== 'undecided' || restartsNeeded === null) return '';
  if (!impractical(restartsNeeded)) return `needs ${whole(restartsNeeded)} restarts`;
  return restarts < FEW_BLOCKS ? 'too few restarts to tell' : `needs over ${MOST_BLOCKS} restarts`;
}
