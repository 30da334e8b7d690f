import { ARM, type AblationEffect, type StudyTuning } from '../schema/index.js';
import type { KnobValue } from '../tuning/index.js';
import { plackettBurman } from './plackett-burman.js';

/** The knobs that the hosts of one arm get. */
export type Arm = Readonly<Record<string, KnobValue>>;

type Knobs = readonly (readonly [string, readonly [KnobValue, ...KnobValue[]]])[];

/** A knob, or one of its values, that is in no arm. */
type Omitted = NonNullable<StudyTuning['ablation']>['omitted'][number];

interface Divided {
  readonly arms: Readonly<Record<string, Arm>>;
  readonly effects: readonly AblationEffect[];
  readonly omitted: readonly Omitted[];
}

/**
 * Arms with nothing, everything, each knob alone, each of its values, and each knob left out.
 *
 * @param congestionControl what all connections have without a knob
 */
export function eachAlone(
  network: string,
  knobs: Knobs,
  congestionControl: string,
  profile: string,
): Divided {
  const all: Arm = Object.fromEntries(knobs.map(([knob, [value]]) => [knob, value]));
  const arms: Record<string, Arm> = {};
  const effects: AblationEffect[] = [];
  const omitted: Omitted[] = [];
  const arm = (name: string, values: Arm): string => {
    arms[`${network}${ARM}${name}`] = values;
    return `${network}${ARM}${name}`;
  };
  const nothing = arm('none', {});
  const everything = arm('all', all);
  effects.push({ network, knob: 'all', value: profile, kind: 'all', arm: everything, against: nothing });
  for (const [knob, values] of knobs) {
    for (const [at, value] of values.entries()) {
      if (knob === 'congestion-control' && value === congestionControl) {
        omitted.push({ knob, finding: { code: 'pinned-by-study', value } });
        continue;
      }
      const alone = arm(`${knob}${at === 0 ? '' : `.${at + 1}`}`, { [knob]: value });
      effects.push({ network, knob, value: String(value), kind: 'alone', arm: alone, against: nothing });
    }
    // With one knob, everything without it is nothing.
    if (knobs.length === 1) continue;
    const rest = Object.fromEntries(Object.entries(all).filter(([name]) => name !== knob));
    const leftOut = arm(`all-${knob}`, rest);
    effects.push({
      network,
      knob,
      value: String(values[0]),
      kind: 'left-out',
      arm: leftOut,
      against: everything,
    });
  }
  return { arms, effects, omitted };
}

/** The arms of a Plackett–Burman design: the last has nothing. */
export function halfOfThem(network: string, knobs: Knobs): Divided {
  const runs = plackettBurman(knobs.length);
  const arms = runs.map((isOn, run): [string, Arm] => [
    `${network}${ARM}${run === runs.length - 1 ? 'none' : `run${run + 1}`}`,
    Object.fromEntries(knobs.flatMap(([knob, [value]], at) => (isOn[at] === true ? [[knob, value]] : []))),
  ]);
  const against = `${network}${ARM}none`;
  return {
    // The reference is listed first.
    arms: Object.fromEntries([...arms.slice(-1), ...arms.slice(0, -1)]),
    effects: knobs.map(([knob, [value]]) => ({
      network,
      knob,
      value: String(value),
      kind: 'main' as const,
      arm: `${network}${ARM}${knob}`,
      against,
    })),
    omitted: knobs.flatMap(([knob, [, ...others]]) =>
      others.map((value) => ({ knob, finding: { code: 'second-value' as const, value: String(value) } })),
    ),
  };
}
