import type { Comparison, Cost, Summary } from '../schema/index.js';
import type { Block } from './blocks.js';
import { comparisonOutline } from './comparison.js';
import { costOutline } from './cost.js';
import { outline } from './outline.js';
import { tableLines, type Paint } from './table.js';

export interface TerminalOptions {
  readonly colour: boolean;
  /** Columns of the terminal. */
  readonly width: number;
}

/** What `barewire study` ends with. Wider than `width` only where one word or one column of a table is. */
export const terminalReport = (summary: Summary, options: TerminalOptions): string =>
  terminalText(outline(summary), options);

/** What `barewire compare` prints. */
export const terminalComparison = (comparison: Comparison, options: TerminalOptions): string =>
  terminalText(comparisonOutline(comparison), options);

/** What `barewire cost` prints. */
export const terminalCost = (cost: Cost, options: TerminalOptions): string =>
  terminalText(costOutline(cost), options);

function terminalText(restarts: readonly Block[], options: TerminalOptions): string {
  const paint = options.colour ? paintAnsi : paintNothing;
  const width = Math.max(20, options.width);
  return `${restarts
    .flatMap((restart) => blockLines(restart, width, paint))
    .join('\n')
    .trimStart()}\n`;
}

const CODES = { plain: '', head: '2', good: '32', bad: '31', dim: '2' } as const;
const paintNothing: Paint = (text) => text;
const paintAnsi: Paint = (text, tone) => {
  const code = CODES[tone];
  return code === '' || text.trim() === '' ? text : `\u001b[${code}m${text}\u001b[0m`;
};
const bold = (text: string, paint: Paint): string =>
  paint === paintNothing ? text : `\u001b[1m${text}\u001b[0m`;

function blockLines(restart: Block, width: number, paint: Paint): readonly string[] {
  switch (restart.kind) {
    case 'title':
      return [bold(printable(restart.text), paint)];
    case 'heading':
    case 'subheading':
      return ['', ...wrap(restart.text, width).map((line) => bold(line, paint))];
    case 'paragraph':
      return wrap(restart.text, width);
    case 'note':
      return wrap(restart.text, width).map((line) => paint(line, 'dim'));
    case 'warnings':
      return restart.items.flatMap((item) =>
        wrap(`! ${item}`, width, '  ').map((line) => paint(line, 'bad')),
      );
    case 'list':
      return restart.items.flatMap((item) => wrap(`- ${item}`, width, '  '));
    case 'table':
      return tableLines(
        restart.columns,
        restart.rows.map((row) => row.map((cell) => ({ ...cell, text: printable(cell.text) }))),
        width,
        paint,
      );
  }
}

/** A name or a reason comes from elsewhere: control characters in it would drive the reader's terminal. */
const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');

function wrap(text: string, width: number, indent = ''): readonly string[] {
  const lines: string[] = [];
  let current = '';
  for (const word of printable(text).split(' ').filter(Boolean)) {
    if (current.trim() !== '' && current.length + 1 + word.length > width) {
      lines.push(current);
      current = indent + word;
    } else current = current === '' ? word : `${current} ${word}`;
  }
  return current === '' ? lines : [...lines, current];
}
