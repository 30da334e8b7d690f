import { describe, expect, test } from 'vitest';
import type { MainEffect, StudyRecord } from '../../src/schema/index.js';
import { summarize, type SliceData } from '../../src/stats/index.js';
import { plackettBurman } from '../../src/study/plackett-burman.js';
import { histogramOf, normal, seeded, slice, study } from './synthetic.js';

const KNOBS = ['a', 'b', 'c', 'd', 'e'] as const;

/** ln of what each knob does to the latency. */
type Effects = Readonly<Partial<Record<(typeof KNOBS)[number], number>>>;

const RUNS = plackettBurman(KNOBS.length);
const ARMS = Object.fromEntries(
  RUNS.map((isOn, run) => [
    run === RUNS.length - 1 ? 'host@none' : `host@run${run + 1}`,
    Object.fromEntries(KNOBS.flatMap((knob, at) => (isOn[at] === true ? [[knob, 1]] : []))),
  ]),
);

const spec = (): StudyRecord =>
  study({
    networks: Object.keys(ARMS),
    reference: 'host@none',
    restarts: 5,
    rounds: 4,
    tuning: {
      profile: 'own',
      arms: ARMS,
      machine: false,
      ablation: {
        omitted: [],
        effects: KNOBS.map((knob) => ({
          network: 'host',
          knob,
          value: '1',
          kind: 'main',
          arm: `host@${knob}`,
          against: 'host@none',
        })),
      },
    },
  });

/** Slices of all arms in 5 restarts of 4 rounds, the reference in two roles. */
function slices(effects: Effects, seed: number, without: readonly string[] = []): SliceData[] {
  const random = seeded(seed);
  const made: SliceData[] = [];
  for (const restart of [1, 2, 3, 4, 5])
    for (let round = 1; round <= 4; round++) {
      // What slows a whole round cancels out.
      const level = 1e5 * Math.exp(0.3 * normal(random));
      for (const [network, knobs] of Object.entries(ARMS)) {
        const shift = KNOBS.reduce((sum, knob) => sum + (knob in knobs ? (effects[knob] ?? 0) : 0), 0);
        const roles =
          network === 'host@none' ? (['reference', 'control'] as const) : (['contender'] as const);
        for (const role of roles) {
          const own = level * Math.exp(shift + 0.03 * normal(random));
          const samples = Array.from({ length: 800 }, () => own * Math.exp(0.2 * normal(random)));
          const id = `r${restart}-${round}-${network}-${role}`;
          if (!without.includes(id))
            made.push(slice({ id, restart, round, role, network }, histogramOf(samples)));
        }
      }
    }
  return made;
}

const effectsOf = (data: readonly SliceData[]): ReadonlyMap<string, MainEffect> =>
  new Map(
    (summarize(spec(), data).tuning?.mainEffects ?? []).map((one) => [one.arm.replace('host@', ''), one]),
  );

describe('a Plackett–Burman design', () => {
  test.each([2, 11, 12, 19, 20, 23])(
    'of %i factors is balanced, and its factors are orthogonal',
    (factors) => {
      const runs = plackettBurman(factors);
      const signs = (at: number): number[] => runs.map((isOn) => (isOn[at] === true ? 1 : -1));
      const product = (one: number, other: number): number =>
        signs(one).reduce((sum, sign, run) => sum + sign * signs(other)[run]!, 0);
      for (let one = 0; one < factors; one++) {
        expect(signs(one).reduce((sum, sign) => sum + sign, 0)).toBe(0);
        for (let other = 0; other < one; other++) expect(product(one, other)).toBe(0);
      }
      expect(runs.at(-1)).not.toContain(true);
      // The reference is the only run without anything.
      expect(runs.filter((isOn) => !isOn.includes(true)).length).toBeLessThanOrEqual(factors < 5 ? 4 : 1);
    },
  );

  test('refuses more knobs than it can tell apart', () => {
    expect(() => plackettBurman(24)).toThrow('up to 23 knobs');
  });
});

describe('the main effects of a design', () => {
  const effects = { a: Math.log(1.3), c: Math.log(0.8) };

  test('are those that were put in, and nothing is found of the other knobs', () => {
    const found = effectsOf(slices(effects, 5));
    expect([...found.keys()]).toEqual([...KNOBS]);
    for (const knob of KNOBS) {
      const { value, low, high } = found.get(knob)?.ratioToReference.p50 as Record<string, number>;
      const truth = Math.exp((effects as Effects)[knob] ?? 0);
      expect(value, knob).toBeGreaterThan(truth * 0.97);
      expect(value, knob).toBeLessThan(truth * 1.03);
      expect(high! - low!, knob).toBeLessThan(0.1);
    }
    const verdicts = KNOBS.map((knob) => found.get(knob)?.verdicts.p50?.verdict);
    expect(verdicts).toEqual(['worse', 'equivalent', 'better', 'equivalent', 'equivalent']);
  });

  test('rest on rounds that have every arm: a lost slice of a slow arm does not make its knobs look fast', () => {
    const slow = Object.keys(ARMS).find((name) => 'a' in ARMS[name]! && !('c' in ARMS[name]));
    const lost = [1, 2, 3].map((round) => `r1-${round}-${slow ?? ''}-contender`);
    const { value } = effectsOf(slices(effects, 5, lost)).get('a')?.ratioToReference.p50 as { value: number };
    expect(value).toBeGreaterThan(1.26);
    expect(value).toBeLessThan(1.34);
  });
});
