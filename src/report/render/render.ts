import { stringify } from 'csv-stringify/sync';
import type { Document, TestCase } from '../document.js';
import { renderHtml } from './html.js';
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

/** RFC 4180: the first line names the columns, lines end in CR LF, and a missing value is empty. */
const renderCsv = ({ records }: Document): string =>
  stringify([records.columns, ...records.rows] as unknown[][], {
    record_delimiter: 'windows',
    cast: { boolean: String },
  });

/** JUnit XML: a regression or a failed cell is a failure, an undecided comparison is skipped. */
function renderJunit({ title, cases }: Document): string {
  const suites = new Map<string, TestCase[]>();
  for (const testCase of cases) suites.set(testCase.suite, [...(suites.get(testCase.suite) ?? []), testCase]);
  const counts = (members: readonly TestCase[]): string => {
    const total = (status: TestCase['status']): number =>
      members.filter((member) => member.status === status).length;
    return `tests="${members.length}" failures="${total('failed')}" skipped="${total('skipped')}"`;
  };
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="${escape(title)}" ${counts(cases)}>`,
    ...[...suites].flatMap(([name, members]) => [
      `  <testsuite name="${escape(name)}" ${counts(members)}>`,
      ...members.map((member) => `    ${renderCase(member)}`),
      '  </testsuite>',
    ]),
    '</testsuites>',
    '',
  ].join('\n');
}

function renderCase({ suite, name, status, message }: TestCase): string {
  const open = `<testcase classname="${escape(suite)}" name="${escape(name)}">`;
  switch (status) {
    case 'failed':
      return `${open}<failure message="${escape(message)}"/></testcase>`;
    case 'skipped':
      return `${open}<skipped message="${escape(message)}"/></testcase>`;
    case 'passed':
      return `${open}<system-out>${escape(message)}</system-out></testcase>`;
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** XML 1.0 has no control characters, not even as entities, and no lone surrogates. */
const escape = (text: string): string =>
  text
    .replace(/[\p{Cc}\p{Cs}\uFFFE\uFFFF]+/gu, ' ')
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
