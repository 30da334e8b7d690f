import {
  collectMissing,
  describeCell,
  VERDICT_SIGN,
  type Block,
  type Document,
  type Table,
} from '../document.js';
import { letter, NO_VALUE } from '../number.js';
import { describeFinding } from '../wording.js';
import { describePlot } from './plot/labels.js';

/** GitHub's Markdown. Nothing that comes from a name or a message is taken as markup. */
export const renderMarkdown = (document: Document): string =>
  `${[`# ${escape(document.title)}`, ...document.blocks.flatMap(renderBlock)].join('\n\n')}\n`;

function renderBlock(block: Block): readonly string[] {
  const list = (items: readonly string[]): readonly string[] =>
    items.length === 0 ? [] : [items.map((item) => `- ${escape(item)}`).join('\n')];
  switch (block.kind) {
    case 'heading':
      return [`${'#'.repeat(block.level)} ${escape(block.text)}`];
    case 'paragraph':
    case 'lead':
    case 'note':
      return [escape(block.text)];
    case 'facts':
      return list(block.facts.map(([name, value]) => `${name}: ${value}`));
    case 'verdicts':
      return list(
        block.items.map(
          ({ verdict, text }) => `${verdict === null ? NO_VALUE : VERDICT_SIGN[verdict]} ${text}`,
        ),
      );
    case 'list':
      return list(block.items);
    case 'findings':
      return list(block.findings.map(describeFinding));
    case 'warnings':
      return [
        block.findings.map((finding) => `> **Warning:** ${escape(describeFinding(finding))}`).join('\n>\n'),
      ];
    case 'table':
      return renderTable(block);
    case 'plot':
      return [`*${escape(block.title)}.* ${escape(describePlot(block.plot))}`];
    case 'details':
      return [
        `<details><summary>${escape(block.title)}</summary>`,
        ...block.blocks.flatMap(renderBlock),
        '</details>',
      ];
  }
}

function renderTable(table: Table): readonly string[] {
  const missing = collectMissing(table);
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rows = table.rows.map((row, rowIndex) =>
    line(
      table.columns.map((_, column) => {
        const cell = row[column];
        const note = missing.indexOf(rowIndex, column);
        const text = cell === undefined ? '' : escape(describeCell(cell).text);
        return note === undefined ? text : `${text} (${letter(note)})`;
      }),
    ),
  );
  return [
    [
      line(table.columns.map(({ title }) => escape(title))),
      line(table.columns.map(({ align }) => (align === 'right' ? '---:' : '---'))),
      ...rows,
    ].join('\n'),
    ...missing.texts.map((text, index) => `(${letter(index)}) ${escape(text)}`),
  ];
}

const escape = (text: string): string =>
  text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').replace(/[\\`*_{}[\]<>#|~&!]/g, '\\$&');
