import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { estimateClustered } from '../../src/stats/clustered.js';
import { decideVerdicts } from '../../src/stats/verdicts.js';
import { normal, seeded } from './synthetic.js';

const MARGIN = 0.05;
/** Ratios of one restart each. */
const of = (...ratios: number[]) =>
  estimateClustered(ratios.map((ratio, restart) => ({ restart, round: 1, log: Math.log(ratio) })));
const verdictOf = (...ratios: number[]) => decideVerdicts([of(...ratios)], MARGIN)[0]!;

test.each([
  ['worse', [1.3, 1.32, 1.28, 1.31, 1.29]],
  ['better', [0.7, 0.72, 0.69, 0.71, 0.7]],
  ['equivalent', [1.0, 1.01, 0.99, 1.0, 1.005]],
  // Surely different, and surely by less than matters.
  ['equivalent', [1.02, 1.021, 1.019, 1.02, 1.02]],
  ['undecided', [1.0, 1.2, 0.85, 1.1, 0.95]],
])('%s', (verdict, ratios) => {
  expect(verdictOf(...ratios).verdict).toBe(verdict);
});

test('only an undecided verdict needs restarts, and more than it has', () => {
  expect(verdictOf(1.3, 1.32, 1.28, 1.31, 1.29).restartsNeeded).toBeNull();
  expect(verdictOf(1.0, 1.2, 0.85, 1.1, 0.95).restartsNeeded).toBeGreaterThan(5);
  expect(verdictOf(1.3)).toEqual({ verdict: 'undecided', restartsNeeded: null });
});

describe('many comparisons', () => {
  const slight = of(1.05, 1.1, 1.14, 1.08);
  const nothing = Array.from({ length: 30 }, () => of(0.9, 1.2, 0.85, 1.1));

  test('a slight difference alone is called worse', () => {
    expect(decideVerdicts([slight], MARGIN)[0]!.verdict).toBe('worse');
  });

  test('the same difference among thirty equal cells is undecided', () => {
    expect(decideVerdicts([slight, ...nothing], MARGIN)[0]!.verdict).toBe('undecided');
  });

  test('thirty such differences are all called worse', () => {
    const alike = Array.from({ length: 30 }, () => slight);
    expect(decideVerdicts(alike, MARGIN).every(({ verdict }) => verdict === 'worse')).toBe(true);
  });

  test('an empty list gives no verdicts', () => {
    expect(decideVerdicts([], MARGIN)).toEqual([]);
  });
});

test('swapping the runs swaps better and worse', () => {
  const ratio = fc.double({ min: 0.5, max: 2, noNaN: true });
  const comparison = fc.array(ratio, { minLength: 2, maxLength: 6 });
  const other = { better: 'worse', worse: 'better', equivalent: 'equivalent', undecided: 'undecided' };
  fc.assert(
    fc.property(fc.array(comparison, { minLength: 1, maxLength: 8 }), (all) => {
      const forward = decideVerdicts(
        all.map((ratios) => of(...ratios)),
        MARGIN,
      );
      const backward = decideVerdicts(
        all.map((ratios) => of(...ratios.map((r) => 1 / r))),
        MARGIN,
      );
      expect(backward.map(({ verdict }) => verdict)).toEqual(forward.map(({ verdict }) => other[verdict]));
    }),
    { numRuns: 50 },
  );
});

test("identical restarts do not decide a difference below the histogram's resolution", () => {
  expect(decideVerdicts([of(1.001, 1.001, 1.001)], 0.0005)[0]!.verdict).toBe('undecided');
});

describe('known additions of CPU time', () => {
  /** 500 studies of 8 restarts of 7 rounds: ln of a CPU ratio spreads by 6 % between rounds, and restarts by a third of that. */
  const verdicts = (ratio: number): ReadonlyMap<string, number> => {
    const random = seeded(Math.round(1000 * ratio));
    const found = new Map<string, number>();
    for (let study = 0; study < 500; study++) {
      const family = Array.from({ length: 9 }, () =>
        estimateClustered(
          Array.from({ length: 8 }, (_, restart) => {
            const level = 0.02 * normal(random);
            return Array.from({ length: 7 }, (_, round) => ({
              restart,
              round,
              log: Math.log(ratio) + level + 0.06 * normal(random),
            }));
          }).flat(),
        ),
      );
      const { verdict } = decideVerdicts(family, 0.05)[0]!;
      found.set(verdict, (found.get(verdict) ?? 0) + 1);
    }
    return found;
  };

  test('8 % more is never equivalent, and mostly worse', () => {
    const found = verdicts(1.08);
    expect(found.get('equivalent')).toBeUndefined();
    expect(found.get('better')).toBeUndefined();
    expect(found.get('worse')).toBeGreaterThan(480);
  });

  test('3 % more is never better', () => {
    expect(verdicts(1.03).get('better')).toBeUndefined();
  });
});
