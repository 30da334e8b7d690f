import type { Gaps } from './gaps.js';
import { letter } from './number.js';

export type Tone = 'plain' | 'good' | 'bad' | 'dim';
export interface Text {
  readonly text: string;
  readonly tone: Tone;
}
export interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
}
/** What the terminal and Markdown reports are made of: the same words in both. */
export type Block =
  | { readonly kind: 'title' | 'heading' | 'subheading' | 'paragraph' | 'note'; readonly text: string }
  | { readonly kind: 'warnings' | 'list'; readonly items: readonly string[] }
  | {
      readonly kind: 'table';
      readonly columns: readonly Column[];
      readonly rows: readonly (readonly Text[])[];
    };

export const paragraph = (text: string): Block => ({ kind: 'paragraph', text });
export const note = (text: string): Block => ({ kind: 'note', text });
export const list = (kind: 'warnings' | 'list', items: readonly string[]): readonly Block[] =>
  items.length === 0 ? [] : [{ kind, items }];
export const plain = (text: string): Text => ({ text, tone: 'plain' });
export const left = (title: string): Column => ({ title, align: 'left' });
export const right = (title: string): Column => ({ title, align: 'right' });

/** What a verdict is to who waits for it. */
export const TONES = { better: 'good', worse: 'bad', equivalent: 'good', undecided: 'dim' } as const;

/** Leads from a dash to the note with its reason; nothing where there is a figure. */
export const pointer = (note: number): string => (note === 0 ? '' : `[${letter(note)}]`);
export const notes = (gaps: Gaps): readonly Block[] =>
  gaps.texts.map((text, index) => note(`${pointer(index + 1)} ${text}`));
