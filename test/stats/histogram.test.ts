import fc from 'fast-check';
import * as hdrHistogram from 'hdr-histogram-js';
import { describe, expect, test } from 'vitest';
import { BarewireError } from '../../src/schema/index.js';
import { HIGHEST_NS, Histogram } from '../../src/stats/histogram.js';

const value = fc.oneof(
  fc.integer({ min: 0, max: 5000 }),
  fc.integer({ min: 0, max: 2 ** 31 + 2 ** 16 }),
  fc.double({ min: 0, max: HIGHEST_NS, noNaN: true }).map(Math.floor),
);
const values = fc.array(value, { minLength: 1, maxLength: 200 });
const quantile = fc.double({ min: 0, max: 1, noNaN: true });

const recorded = (list: readonly number[]): Histogram => {
  const histogram = new Histogram();
  for (const [place, ns] of list.entries()) {
    if (place % 2 === 0) histogram.record(ns);
    else histogram.recordFrom(Float64Array.of(ns), 0);
  }
  return histogram;
};
const hdrOf = (list: readonly number[]): hdrHistogram.Histogram => {
  const hdr = hdrHistogram.build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_NS,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 64,
  });
  for (const ns of list) hdr.recordValue(ns);
  return hdr;
};

describe('Histogram', () => {
  test('gives the quantiles of a sorted array to three digits', () => {
    fc.assert(
      fc.property(values, quantile, (list, q) => {
        const exact = list.toSorted((a, b) => a - b)[Math.max(Math.ceil(q * list.length - 1e-9), 1) - 1]!;
        const told = recorded(list).quantile(q);
        expect(told).toBeGreaterThanOrEqual(exact);
        expect(told).toBeLessThanOrEqual(exact + exact / 1000);
      }),
    );
  });

  test('agrees with hdr-histogram-js on quantiles, count and maximum', () => {
    fc.assert(
      fc.property(values, quantile, (list, q) => {
        const ours = recorded(list);
        const hdr = hdrOf(list);
        expect(ours.count).toBe(hdr.totalCount);
        expect(ours.max).toBe(hdr.getValueAtPercentile(100));
        expect(ours.quantile(q)).toBe(hdr.getValueAtPercentile(q === 0 ? 1e-9 : q * 100));
      }),
    );
  });

  test('is decoded by hdr-histogram-js with the same counts', () => {
    fc.assert(
      fc.property(values, (list) => {
        const hdr = hdrHistogram.decodeFromCompressedBase64(recorded(list).encode());
        expect(hdr.totalCount).toBe(list.length);
        for (const q of [1, 50, 99, 100])
          expect(hdr.getValueAtPercentile(q)).toBe(hdrOf(list).getValueAtPercentile(q));
      }),
      { numRuns: 20 },
    );
  });

  test('decodes every count that it encoded', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 200 }), (list) => {
        const ours = recorded(list);
        expect(Histogram.decode(ours.encode()).counts).toEqual(ours.counts);
      }),
      { numRuns: 20 },
    );
  });

  test('merges to the histogram of all values', () => {
    fc.assert(
      fc.property(values, values, (left, right) => {
        const merged = recorded(left);
        merged.merge(recorded(right));
        expect(merged.counts).toEqual(recorded([...left, ...right]).counts);
      }),
      { numRuns: 20 },
    );
  });

  test.each([
    [0, 0],
    [-5, 0],
    [1, 1],
    [2047, 2047],
    [2048, 2049],
    [2 ** 31 - 1, 2 ** 31 - 1],
    [2 ** 31, 2 ** 31 + 2 ** 21 - 1],
    [1e12, 60028878847],
  ])('puts %d ns into the cell that ends at %d ns', (ns, highest) => {
    expect(recorded([ns]).max).toBe(highest);
  });

  test('lists its cells in ascending order with all counts', () => {
    const cells = [...recorded([7, 7, 5_000_000]).cells()];
    expect(cells.map((cell) => cell.count)).toEqual([2, 1]);
    expect(cells[0]).toEqual({ lowNs: 7, highNs: 7, count: 2 });
  });

  test('gives order statistics by rank', () => {
    const histogram = recorded([10, 20, 30]);
    expect([0, 1, 2, 3, 4].map((rank) => histogram.valueAtRank(rank))).toEqual([10, 10, 20, 30, 30]);
  });

  test('is zero everywhere when empty', () => {
    const empty = new Histogram();
    expect([empty.count, empty.min, empty.max, empty.quantile(0.5)]).toEqual([0, 0, 0, 0]);
  });

  test.each([
    ['nothing', ''],
    ['other text', 'what is this'],
    ['a file cut short', recorded([1, 2, 3, 1e6, 2e9]).encode().slice(0, 40)],
    ['another precision', otherPrecision()],
  ])('refuses %s as damaged', (_, text) => {
    expect(() => Histogram.decode(text)).toThrow(BarewireError);
    expect(() => Histogram.decode(text)).toThrow(expect.objectContaining({ code: 'results-damaged' }));
  });

  test('refuses a text with any one character changed', () => {
    const text = recorded([1, 2, 3, 1e6, 2e9]).encode();
    fc.assert(
      fc.property(fc.nat(text.length - 6), fc.constantFrom('A', 'b', '+'), (at, letter) => {
        fc.pre(at > 16 && text[at] !== letter);
        const changed = text.slice(0, at) + letter + text.slice(at + 1);
        expect(() => Histogram.decode(changed)).toThrow(BarewireError);
      }),
    );
  });
});

function otherPrecision(): string {
  const hdr = hdrHistogram.build({ numberOfSignificantValueDigits: 2 });
  hdr.recordValue(1);
  return hdrHistogram.encodeIntoCompressedBase64(hdr);
}
