import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { three } from '../../src/report/number.js';
import { LABEL_HEIGHT, spreadLabels } from '../../src/report/plot/labels.js';
import { logAxis, ratioAxis } from '../../src/report/plot/scale.js';
import { networkStyles, styleAt } from '../../src/report/plot/style.js';

const positive = fc.array(fc.double({ min: 1e-6, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 8 });

describe('axes', () => {
  test('hold every value, with a few labels inside', () => {
    fc.assert(
      fc.property(positive, (values) => {
        for (const { min, max, ticks } of [logAxis(values, 9), ratioAxis(values, 7)]) {
          for (const value of values)
            expect([min <= Math.log10(value), Math.log10(value) <= max]).toEqual([true, true]);
          for (const tick of ticks) expect([min <= tick, tick <= max]).toEqual([true, true]);
          expect(ticks.length).toBeGreaterThanOrEqual(1);
          expect(ticks.length).toBeLessThanOrEqual(9);
        }
      }),
    );
  });

  test('of ratios always label 1', () => {
    fc.assert(
      fc.property(positive, (values) => {
        expect(ratioAxis(values, 7).ticks).toContain(0);
      }),
    );
  });
});

test('labels keep apart, inside, and in order, and stay where they want to be if they can', () => {
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
  test('are one for each network, in whatever order they come', () => {
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

  test('tell networks of one colour apart by dash or marker', () => {
    const looks = Array.from({ length: 12 }, (_, index) => styleAt(index));
    expect(new Set(looks.map(({ dash, marker }) => `${dash.join()}${marker}`)).size).toBe(looks.length);
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
])('%d reads %s', (value, text) => {
  expect(three(value)).toBe(text);
});
