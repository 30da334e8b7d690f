import type { Document, TestCase } from '../document.js';

/** JUnit XML: a regression or a failed cell is a failure, an undecided comparison is skipped. */
export function renderJunit({ title, cases }: Document): string {
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
