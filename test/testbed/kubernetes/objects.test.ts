import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { internalIp, parseQuantity } from '../../../src/testbed/kubernetes/objects.js';
import { nodeOf } from './cluster-objects.js';

describe('a quantity', () => {
  it.each<[string | undefined, number]>([
    [undefined, 0],
    ['2', 2],
    ['1500m', 1.5],
    ['3920m', 3.92],
    ['0.5', 0.5],
    ['250000u', 0.25],
    ['250000000n', 0.25],
    ['5k', 5_000],
    ['500M', 500e6],
    ['1e9', 1e9],
    ['12E6', 12e6],
    ['1E', 1e18],
    ['16Gi', 16 * 2 ** 30],
    ['16378372Ki', 16_378_372 * 2 ** 10],
    ['1.5Gi', 1.5 * 2 ** 30],
    ['128974848000m', 128_974_848],
    ['-1', -1],
    ['many', 0],
  ])('%s is %d', (text, value) => {
    expect(parseQuantity(text)).toBe(value);
  });

  it('is its digits times its suffix', () => {
    const suffixes: Readonly<Record<string, number>> = {
      ...{ n: 1e-9, u: 1e-6, m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 },
      ...{ Ki: 1_024, Mi: 1_024 ** 2, Gi: 1_024 ** 3, Ti: 1_024 ** 4, Pi: 1_024 ** 5, Ei: 1_024 ** 6 },
    };
    fc.assert(
      fc.property(
        fc.nat(10_000_000),
        fc.option(fc.nat(999), { nil: null }),
        fc.constantFrom(...Object.keys(suffixes)),
        (whole, thousandths, suffix) => {
          const digits =
            thousandths === null ? String(whole) : `${whole}.${String(thousandths).padStart(3, '0')}`;
          const expected = (whole + (thousandths ?? 0) / 1_000) * suffixes[suffix]!;
          expect(parseQuantity(digits + suffix)).toBeCloseTo(
            expected,
            -Math.log10(Math.max(expected, 1e-9)) + 9,
          );
        },
      ),
    );
  });
});

describe('the address of a node', () => {
  it('is its InternalIP of that version of IP', () => {
    const node = nodeOf('n', { addresses: ['fd00::1', '10.0.0.7'] });
    expect([internalIp(node, 4), internalIp(node, 6)]).toEqual(['10.0.0.7', 'fd00::1']);
    expect(internalIp(nodeOf('n'), 6)).toBeNull();
  });
});
