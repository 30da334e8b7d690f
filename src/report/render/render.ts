import type { Document } from '../document.js';
import { renderCsv } from './csv.js';
import { renderHtml } from './html.js';
import { renderJunit } from './junit.js';
import { renderMarkdown } from './markdown.js';
import { renderTerminal, type TerminalOptions } from './terminal.js';

export const FORMATS = ['terminal', 'markdown', 'html', 'csv', 'junit'] as const;
export type Format = (typeof FORMATS)[number];

/** The files that `--out` and a study write, besides the JSON. */
export const REPORT_FILES: Readonly<Record<Exclude<Format, 'terminal'>, string>> = {
  html: 'report.html',
  markdown: 'report.md',
  csv: 'summary.csv',
  junit: 'junit.xml',
};

const PLAIN: TerminalOptions = { colour: false, width: 100 };

/** One document in a format; the options apply to the terminal. */
export function render(document: Document, format: Format, options: TerminalOptions = PLAIN): string {
  switch (format) {
    case 'terminal':
      return renderTerminal(document, options);
    case 'markdown':
      return renderMarkdown(document);
    case 'html':
      return renderHtml(document);
    case 'csv':
      return renderCsv(document);
    case 'junit':
      return renderJunit(document);
  }
}

/** The report files of a document by name. */
export const renderFiles = (
  document: Document,
): readonly { readonly name: string; readonly content: string }[] =>
  (Object.keys(REPORT_FILES) as (keyof typeof REPORT_FILES)[]).map((format) => ({
    name: REPORT_FILES[format],
    content: render(document, format),
  }));
