import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { csvReport, htmlReport, markdownReport, terminalReport } from '../../src/report/index.js';
import { summarySchema, type Summary } from '../../src/schema/index.js';
import { anySummary } from './arbitrary.js';
import { FAILED_REASON, fixtureSummary, UNSUPPORTED_REASON } from './fixture.js';
import { pageText } from './page-text.js';

/** Each report as the words that a reader sees, on one line: where lines break is not at stake here. */
const REPORTS: Record<string, (summary: Summary) => string> = {
  terminal: (summary) => terminalReport(summary, { colour: false, width: 100 }).replace(/\s+/g, ' '),
  Markdown: (summary) => markdownReport(summary).replace(/\\(.)/g, '$1'),
  CSV: (summary) => csvReport(summary).replaceAll('""', '"'),
  HTML: (summary) => pageText(htmlReport(summary)),
};
const summary = fixtureSummary();

test('the fixture is a summary as the schema has it', () => {
  expect(summarySchema.parse(summary)).toEqual(summary);
});

describe.each(Object.entries(REPORTS))('the %s report', (kind, report) => {
  const text = report(summary);

  test('names every network, also those that were not measured', () => {
    for (const { name } of summary.networks) expect(text).toContain(name);
  });

  test('says why a network was not measured', () => {
    expect(text).toContain(UNSUPPORTED_REASON);
    expect(text).toContain(FAILED_REASON);
  });

  test('says why a figure is missing', () => {
    expect(text).toContain('needs 368887 samples, has 240000');
    expect(text).toContain('no valid slice');
  });

  test('says what the generator could not vouch for, and what made a tail', () => {
    expect(text).toContain('a generator thread used 97 % of its CPU (1 slice)');
    expect(text).toContain('14 retransmission time-outs');
  });

  test('is the same for the same summary', () => {
    expect(report(summary)).toBe(text);
  });

  test('never throws, and never shows what is not a figure, whatever the summary', () => {
    fc.assert(
      fc.property(anySummary, (any) => {
        expect(report(any)).not.toMatch(/undefined|NaN|Infinity|\[object/);
      }),
      { numRuns: kind === 'HTML' ? 60 : 300 },
    );
  });
});

describe.each(Object.entries(REPORTS).filter(([kind]) => kind !== 'CSV'))(
  'the %s report for people',
  (_, report) => {
    const text = report(summary);

    test('shows the warnings first and the limits of the testbed', () => {
      for (const warning of summary.warnings)
        expect(text.indexOf(warning)).toBeLessThan(text.indexOf('In short'));
      for (const limit of summary.limitations) expect(text).toContain(limit);
    });

    test('says that a single restart gives no interval', () => {
      expect(report(fixtureSummary({ restarts: 1 }))).toContain('an interval needs more than one restart');
      expect(text).not.toContain('an interval needs more than one restart');
    });
  },
);
