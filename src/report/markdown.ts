import type { Summary } from '../schema/index.js';
import type { Block } from './blocks.js';
import { outline } from './outline.js';

/** The report for a repository or a ticket: GitHub's Markdown, nothing in it taken as markup that came from a name. */
export const markdownReport = (summary: Summary): string =>
  `${outline(summary).map(blockText).join('\n\n')}\n`;

function blockText(restart: Block): string {
  switch (restart.kind) {
    case 'title':
      return `# ${escape(restart.text)}`;
    case 'heading':
      return `## ${escape(restart.text)}`;
    case 'subheading':
      return `### ${escape(restart.text)}`;
    case 'paragraph':
    case 'note':
      return escape(restart.text);
    case 'warnings':
      return restart.items.map((item) => `> **Warning:** ${escape(item)}`).join('\n>\n');
    case 'list':
      return restart.items.map((item) => `- ${escape(item)}`).join('\n');
    case 'table':
      return tableText(restart);
  }
}

function tableText({ columns, rows }: Extract<Block, { kind: 'table' }>): string {
  return [
    row(columns.map(({ title }) => title)),
    row(
      columns.map(({ align }) => (align === 'right' ? '---:' : '---')),
      false,
    ),
    ...rows.map((cells) => row(columns.map((_, index) => cells[index]?.text ?? ''))),
  ].join('\n');
}

const row = (cells: readonly string[], escaped = true): string =>
  `| ${cells.map((cell) => (escaped ? escape(cell) : cell)).join(' | ')} |`;

const escape = (text: string): string =>
  text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').replace(/[\\`*_{}[\]<>#|~&!]/g, '\\$&');
