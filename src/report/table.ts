import type { Column, Text } from './blocks.js';

/** Paints a text that is already padded, so that colour codes never count as width. */
export type Paint = (text: string, tone: Text['tone'] | 'head') => string;

interface Sized extends Column {
  readonly index: number;
  readonly width: number;
}

const GAP = '  ';

/**
 * Lines of a table that fit `width`. One that is too wide is cut into several, each starting with the first column
 * again: nothing is dropped, and nothing is cut short.
 */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly Text[])[],
  width: number,
  paint: Paint,
): readonly string[] {
  const sized = columns.map((column, index) => ({
    ...column,
    index,
    width: Math.max(column.title.length, ...rows.map((row) => row[index]?.text.length ?? 0)),
  }));
  return parts(sized, width).flatMap((part, number) => [
    ...(number === 0 ? [] : ['']),
    line(part, (column) => ({ text: column.title, tone: 'head' }), paint),
    ...rows.map((row) => line(part, ({ index }) => row[index] ?? { text: '', tone: 'plain' }, paint)),
  ]);
}

function parts(columns: readonly Sized[], width: number): readonly (readonly Sized[])[] {
  const [key, ...rest] = columns;
  if (key === undefined) return [];
  const found: Sized[][] = [[key]];
  let used = key.width;
  for (const column of rest) {
    const needed = GAP.length + column.width;
    if (used + needed > width && (found.at(-1)?.length ?? 0) > 1) {
      found.push([key]);
      used = key.width;
    }
    found.at(-1)?.push(column);
    used += needed;
  }
  return found;
}

function line(
  columns: readonly Sized[],
  text: (column: Sized) => { readonly text: string; readonly tone: Parameters<Paint>[1] },
  paint: Paint,
): string {
  return columns
    .map((column, place) => {
      const { text: raw, tone } = text(column);
      const last = place === columns.length - 1 && column.align === 'left';
      const padded =
        column.align === 'right' ? raw.padStart(column.width) : raw.padEnd(last ? 0 : column.width);
      return paint(padded, tone);
    })
    .join(GAP)
    .trimEnd();
}
