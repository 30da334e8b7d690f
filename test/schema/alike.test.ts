import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asOne, refusalTexts, withoutFigures } from '../../src/schema/index.js';

describe('texts that differ in their figures alone', () => {
  test.each<[[string, ...string[]], string]>([
    [['stood still 30 times', 'stood still 9 times'], 'stood still 9–30 times'],
    [
      ['up to 5.5 ms (limit 1,000 µs)', 'up to 12.0 ms (limit 1,000 µs)'],
      'up to 5.5–12.0 ms (limit 1,000 µs)',
    ],
    [['9–30 of 40', '2–7 of 40'], '2–30 of 40'],
    [['p99.9 in r1-02: 4 ms', 'p99.9 in r1-02: 5 ms'], 'p99.9 in r1-02: 4–5 ms'],
    [['the same 3'], 'the same 3'],
  ])('%j are told as one', (texts, one) => {
    expect(asOne(texts)).toBe(one);
    expect(new Set(texts.map(withoutFigures)).size).toBe(1);
  });

  test.each([
    ['p99 and above', 'p99.9 and above'],
    ['histograms/r1-02.response.hdr', 'histograms/r1-03.response.hdr'],
    ['from 10.90.1.2', 'from 10.90.1.3'],
  ])('%s and %s are not the same', (one, other) => {
    expect(withoutFigures(one)).not.toBe(withoutFigures(other));
  });

  test('tell the least and the greatest, in whatever order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1e6), { minLength: 1, maxLength: 6 }), ([first = 0, ...rest]) => {
        const [low, high] = [Math.min(first, ...rest), Math.max(first, ...rest)];
        const text = (count: number) => `${count} times`;
        const expected = low === high ? text(low) : `${low}–${high} times`;
        expect(asOne([text(first), ...rest.map(text)])).toBe(expected);
      }),
    );
  });
});

test('a reason of many refusals is told once, with the first places', () => {
  const lines = [1, 2, 3, 4, 5].map((line) => ({
    file: `slices.jsonl, line ${line}`,
    why: 'it is not JSON',
  }));
  expect(refusalTexts([...lines, { file: 'histograms/r1-01.service.hdr', why: 'it is missing' }])).toEqual([
    'slices.jsonl, line 1; slices.jsonl, line 2; slices.jsonl, line 3; and 2 more: it is not JSON',
    'histograms/r1-01.service.hdr: it is missing',
  ]);
});
