import { styleText } from 'node:util';
import stringWidth from 'string-width';
import wrapAnsi from 'wrap-ansi';
import {
  collectMissing,
  describeCell,
  VERDICT_SIGN,
  VERDICT_TONE,
  type Block,
  type Column,
  type Document,
  type Table,
  type Tone,
} from '../document.js';
import { letter, NO_VALUE } from '../number.js';
import { describeFinding } from '../wording.js';

export interface TerminalOptions {
  readonly colour: boolean;
  /** Columns of the terminal. */
  readonly width: number;
}

type Style = Tone | 'bold';
type Paint = (text: string, style: Style) => string;

/** Wider than `width` only where one word or one column of a table is. */
export function renderTerminal(document: Document, options: TerminalOptions): string {
  const width = Math.max(20, options.width);
  const paint: Paint = options.colour ? paintAnsi : (text) => text;
  const lines = [
    paint(printable(document.title), 'bold'),
    ...document.blocks.flatMap((block) => renderBlock(block, width, paint)),
  ];
  return `${lines.join('\n')}\n`;
}

const FORMATS = { bold: 'bold', good: 'green', bad: 'red', dim: 'dim' } as const;
const paintAnsi: Paint = (text, style) =>
  style === 'plain' || text.trim() === '' ? text : styleText(FORMATS[style], text, { validateStream: false });

function renderBlock(block: Block, width: number, paint: Paint): readonly string[] {
  const list = (items: readonly string[]): string[] =>
    items.flatMap((item) => wrap(`- ${item}`, width, '  '));
  switch (block.kind) {
    case 'heading':
      return ['', ...wrap(block.text, width).map((line) => paint(line, 'bold'))];
    case 'paragraph':
    case 'lead':
      return wrap(block.text, width);
    case 'note':
      return wrap(block.text, width).map((line) => paint(line, 'dim'));
    case 'facts':
      return wrap(`${block.facts.map(([name, value]) => `${name}: ${value}`).join('. ')}.`, width);
    case 'verdicts':
      return block.items.flatMap(({ verdict, text }) => {
        const sign = verdict === null ? NO_VALUE : VERDICT_SIGN[verdict];
        const tone = verdict === null ? 'dim' : VERDICT_TONE[verdict];
        return wrap(`${sign} ${text}`, width, '  ').map((line) => paint(line, tone));
      });
    case 'list':
      return list(block.items);
    case 'findings':
      return list(block.findings.map(describeFinding));
    case 'warnings':
      return block.findings.flatMap((finding) =>
        wrap(`! ${describeFinding(finding)}`, width, '  ').map((line) => paint(line, 'bad')),
      );
    case 'table':
      return renderTable(block, width, paint);
    case 'plot':
    case 'details':
      return [];
  }
}

/** Names and messages may come from elsewhere: control characters would drive the reader's terminal. */
const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');

function wrap(text: string, width: number, indent = ''): readonly string[] {
  const [first = '', ...rest] = wrapAnsi(printable(text), width - indent.length).split('\n');
  return [first, ...rest.map((line) => indent + line)];
}

const GAP = '  ';

interface SizedColumn extends Column {
  readonly index: number;
  readonly width: number;
}

/**
 * A table that is too wide is split into several, each starting with the first column: nothing is dropped or cut. Missing
 * values point at lettered notes below.
 */
function renderTable(table: Table, width: number, paint: Paint): readonly string[] {
  const missing = collectMissing(table);
  const cells = table.rows.map((row, rowIndex) =>
    row.map((cell, column) => {
      const { text, tone } = describeCell(cell);
      const note = missing.indexOf(rowIndex, column);
      return { text: printable(note === undefined ? text : `${text}[${letter(note)}]`), tone };
    }),
  );
  const columns = table.columns.map((column, index) => ({
    ...column,
    index,
    width: Math.max(stringWidth(column.title), ...cells.map((row) => stringWidth(row[index]?.text ?? ''))),
  }));
  const lines = splitColumns(columns, width).flatMap((part, number) => [
    ...(number === 0 ? [] : ['']),
    renderLine(part, ({ title }) => ({ text: printable(title), tone: 'dim' }), paint),
    ...cells.map((row) => renderLine(part, ({ index }) => row[index] ?? { text: '', tone: 'plain' }, paint)),
  ]);
  const notes = missing.texts.flatMap((text, index) =>
    wrap(`[${letter(index)}] ${text}`, width, '    ').map((line) => paint(line, 'dim')),
  );
  return [...lines, ...notes];
}

function splitColumns(columns: readonly SizedColumn[], width: number): readonly (readonly SizedColumn[])[] {
  const [key, ...rest] = columns;
  if (key === undefined) return [];
  const parts: SizedColumn[][] = [[key]];
  let used = key.width;
  for (const column of rest) {
    const needed = GAP.length + column.width;
    if (used + needed > width && (parts.at(-1)?.length ?? 0) > 1) {
      parts.push([key]);
      used = key.width;
    }
    parts.at(-1)?.push(column);
    used += needed;
  }
  return parts;
}

function renderLine(
  columns: readonly SizedColumn[],
  select: (column: SizedColumn) => { readonly text: string; readonly tone: Style },
  paint: Paint,
): string {
  return columns
    .map((column, position) => {
      const { text, tone } = select(column);
      const padding = ' '.repeat(Math.max(0, column.width - stringWidth(text)));
      if (column.align === 'right') return paint(padding + text, tone);
      return paint(position === columns.length - 1 ? text : text + padding, tone);
    })
    .join(GAP)
    .trimEnd();
}
