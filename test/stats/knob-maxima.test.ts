import { expect, test } from 'vitest';
import type { AblationEffect, Estimate, StudyTuning } from '../../src/schema/index.js';
import { estimateKnobMaxima } from '../../src/stats/knob-maxima.js';

const MARGIN = 0.05;

/** A maximum whose interval is ±2 %. */
const arm = (name: string, rps: number | null) => {
  const maximum: Estimate =
    rps === null
      ? { value: null, finding: { code: 'search-unfinished' } }
      : { value: rps, low: rps / 1.02, high: rps * 1.02 };
  return { name, maxRpsByWorkload: { '350B': maximum } };
};

const tuning = (effects: readonly AblationEffect[], arms: StudyTuning['arms'] = {}): StudyTuning => ({
  profile: 'own',
  arms,
  ablation: { effects, omitted: [] },
  machine: false,
});

const effect = (
  knob: string,
  kind: AblationEffect['kind'],
  name: string,
  against: string,
): AblationEffect => ({
  ...{ network: 'host', knob, value: 'on', kind },
  ...{ arm: name, against },
});

test('a knob that raises the maximum is better, alone and left out, and one that does nothing is equivalent', () => {
  const arms = [
    arm('host@none', 10_000),
    arm('host@all', 12_100),
    arm('host@rps', 12_000),
    arm('host@all-rps', 10_050),
    arm('host@swappiness', 10_050),
    arm('host@firewall', 5_000),
    arm('host@open', null),
  ];
  const effects = [
    effect('rps', 'alone', 'host@rps', 'host@none'),
    effect('rps', 'left-out', 'host@all-rps', 'host@all'),
    effect('swappiness', 'alone', 'host@swappiness', 'host@none'),
    effect('firewall', 'alone', 'host@firewall', 'host@none'),
    effect('open', 'alone', 'host@open', 'host@none'),
    effect('gone', 'alone', 'host@gone', 'host@none'),
  ];
  const found = estimateKnobMaxima(arms, tuning(effects), ['350B'], MARGIN);
  expect(found.map(({ arm: name, verdict }) => [name, verdict?.verdict])).toEqual([
    ['host@rps', 'better'],
    // Everything without it carries less, so the knob is better.
    ['host@all-rps', 'better'],
    ['host@swappiness', 'equivalent'],
    ['host@firewall', 'worse'],
    ['host@open', undefined],
  ]);
  expect(found[0]?.ratio.value).toBeCloseTo(1.2, 6);
  expect(found[1]?.ratio.value).toBeCloseTo(12_100 / 10_050, 6);
  expect(found[4]?.ratio).toMatchObject({ value: null, finding: { code: 'search-unfinished' } });
  // Of two maxima that are ±2 % each.
  const { low, high } = found[0]?.ratio as { low: number; high: number };
  expect(high / low).toBeCloseTo(1.02 ** (2 * Math.SQRT2), 3);
});

test('in a design the arms with a knob are compared with those without it', () => {
  const arms = [
    arm('host@none', 10_000),
    arm('host@run1', 12_000),
    arm('host@run2', 12_000),
    arm('host@run3', 10_000),
  ];
  const knobs = {
    'host@none': {},
    'host@run1': { rps: 'all', thp: 'never' },
    'host@run2': { rps: 'all' },
    'host@run3': { thp: 'never' },
  };
  const effects = ['rps', 'thp'].map((knob) => effect(knob, 'main', `host@${knob}`, 'host@none'));
  const [rps, thp] = estimateKnobMaxima(arms, tuning(effects, knobs), ['350B'], MARGIN);
  expect(rps?.ratio.value).toBeCloseTo(1.2, 6);
  expect(rps?.verdict?.verdict).toBe('better');
  expect(thp?.ratio.value).toBeCloseTo(1, 6);
  expect(thp?.verdict?.verdict).toBe('equivalent');
});
