import type { Verdict } from '../schema/index.js';
import { whole } from './number.js';

/** Beyond this many blocks nobody measures: something else has to change. */
export const MOST_BLOCKS = 100;
/** Of fewer, how far blocks are apart is not known well enough to say that so many would be needed. */
export const FEW_BLOCKS = 4;

export const impractical = (blocksNeeded: number | null): boolean => (blocksNeeded ?? 0) > MOST_BLOCKS;

/**
 * What an undecided verdict would take, in a few words; nothing where it is decided or nothing can be said.
 *
 * @param blocks how many the study has
 */
export function neededText({ verdict, blocksNeeded }: Verdict, blocks: number): string {
  if (verdict !== 'undecided' || blocksNeeded === null) return '';
  if (!impractical(blocksNeeded)) return `needs ${whole(blocksNeeded)} blocks`;
  return blocks < FEW_BLOCKS ? 'too few blocks to tell' : `needs over ${MOST_BLOCKS} blocks`;
}
