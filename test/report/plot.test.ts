import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { three } from '../../src/report/number.js';
import { logAxis, valueAxis } from '../../src/report/render/plot/axis.js';
import { LABEL_HEIGHT, spreadLabels } from '../../src/report/render/plot/labels.js';
import { COLOURS, networkStyles } from '../../src/report/render/plot/style.js';

const positive = fc.array(fc.double({ min: 1e-6, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 8 });

describe('axes', () => {
  test('contain every value and a few ticks', () => {
    fc.assert(
      fc.property(positive, (values) => {
        for (const { at, ticks } of [logAxis(values, [10, 400], 9), valueAxis(values, [10, 400], 7)]) {
          for (const value of values) {
            expect(at(value)).toBeGreaterThanOrEqual(10 - 1e-6);
            expect(at(value)).toBeLessThanOrEqual(400 + 1e-6);
          }
          for (const tick of ticks) expect([at(tick) >= 9, at(tick) <= 401]).toEqual([true, true]);
          expect(ticks.length).toBeGreaterThanOrEqual(1);
          expect(ticks.length).toBeLessThanOrEqual(12);
        }
      }),
    );
  });

  test('are logarithmic where values span more than a decade, so that one outlier does not flatten the rest', () => {
    const { at } = valueAxis([1, 2, 1000], [0, 300], 6);
    expect(at(2) - at(1)).toBeGreaterThan(20);
  });
});

test('labels do not overlap, stay inside and in order, and move only when needed', () => {
  const wanted = fc.array(fc.double({ min: 0, max: 300, noNaN: true }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(wanted, (heights) => {
      const placed = spreadLabels(heights, 300);
      const inOrder = heights.map((_, index) => index).sort((a, b) => heights[a]! - heights[b]!);
      for (const [rank, index] of inOrder.entries()) {
        const above = rank === 0 ? -LABEL_HEIGHT : placed[inOrder[rank - 1]!]!;
        expect(placed[index]! - above).toBeGreaterThanOrEqual(LABEL_HEIGHT - 1e-6);
        expect(placed[index]).toBeLessThanOrEqual(300 + 1e-6);
      }
    }),
  );
  expect(spreadLabels([100, 20, 200], 300)).toEqual([100, 20, 200]);
  expect(spreadLabels([100, 100], 300)).toEqual([92.5, 107.5]);
});

describe('styles', () => {
  test('are distinct for each network and independent of their order', () => {
    const names = fc.uniqueArray(
      fc.constantFrom('host', 'ipvlan', 'flannel-vxlan', 'cilium', 'calico', 'weave', 'x'),
    );
    fc.assert(
      fc.property(names, (given) => {
        const styles = networkStyles(given);
        expect(new Set([...styles.values()].map(({ index }) => index)).size).toBe(given.length);
        expect([...networkStyles([...given].reverse())].sort()).toEqual([...styles].sort());
      }),
    );
  });

  test('differ by dash or marker', () => {
    const names = COLOURS.map((_, index) => `network-${index}`);
    const looks = [...networkStyles(names).values()].map(({ dash, marker }) => `${dash.join()}${marker}`);
    expect(new Set(looks).size).toBe(COLOURS.length);
  });
});

test.each([
  [0, '0'],
  [0.16249, '0.162'],
  [1, '1.00'],
  [12.34, '12.3'],
  [405.3, '405'],
  [999.9, '1,000'],
  [81_234, '81,200'],
  [-0.5, '-0.500'],
  [0.0000123, '0.0000123'],
  [1e-9, '1.00e-9'],
])('%d is printed as %s', (value, text) => {
  expect(three(value)).toBe(text);
});
