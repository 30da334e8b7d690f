import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildStudyDocument, render } from '../../src/report/index.js';
import { anySummary } from './arbitrary.js';
import { fixtureSummary } from './fixture.js';
import { pageText, unpairedTags } from './page-text.js';
import { renderStudy } from './rendered.js';

/** Departures from well-formed XML 1.0: characters that it forbids, bare ampersands, tags that do not pair. */
const faults = (xml: string): readonly string[] => [
  ...(xml.match(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu) ?? []),
  ...(xml.match(/&(?!(?:amp|lt|gt|quot|apos);)/g) ?? []),
  ...unpairedTags(xml.replace(/^<\?xml[^>]*\?>/, '')),
];

describe('the JUnit report', () => {
  const summary = fixtureSummary();
  const xml = renderStudy(summary, 'junit');

  test('is well-formed for any summary', () => {
    expect(faults(xml)).toEqual([]);
    fc.assert(
      fc.property(anySummary, (any) => {
        expect(faults(renderStudy(any, 'junit'))).toEqual([]);
      }),
    );
  });

  test('counts its cases', () => {
    const { cases } = buildStudyDocument(summary);
    expect(xml.match(/<testcase /g)).toHaveLength(cases.length);
    const [, tests, failures, skipped] =
      /<testsuites name="[^"]*" tests="(\d+)" failures="(\d+)" skipped="(\d+)">/.exec(xml) ?? [];
    expect([Number(tests), Number(failures), Number(skipped)]).toEqual([
      cases.length,
      (xml.match(/<failure /g) ?? []).length,
      (xml.match(/<skipped /g) ?? []).length,
    ]);
  });

  test('fails a network that failed and a cell without a valid slice, with the reason', () => {
    expect(xml).toMatch(/classname="flannel-aws-vpc"[^>]*><failure message="[^"]*No route to host"/);
    expect(xml).toMatch(
      /classname="flannel-vxlan" name="4KB at 32,000 requests\/s"><failure message="a generator thread/,
    );
  });

  test('skips an undecided comparison, with the estimates in the message', () => {
    expect(xml).toMatch(
      /classname="ipvlan"[^>]*><skipped message="p99 [\d.]+ \([\d.]+–[\d.]+\) ms, [\d.]+ \([\d.]+–[\d.]+\) times host: undecided \(needs 14 restarts\)"/,
    );
  });

  test('passes the other cells with their estimates', () => {
    expect(pageText(render(buildStudyDocument(summary), 'junit'))).toMatch(
      /p99 [\d.]+ \([\d.]+–[\d.]+\) ms, [\d.]+ \([\d.]+–[\d.]+\) times host: worse/,
    );
  });
});
