import {
  parseCpuMask,
  type Setting,
  type Topology,
  type TuningFinding,
  type TuningPlan,
} from '../schema/index.js';
import { findKnob, KNOBS } from './catalog.js';
import { describeSituation, INTERRUPT_RULES } from './situation.js';
import type { Profile, Situation, TuningRoles } from './types.js';

/** What `planTuning` plans from. */
export interface TuningRequest {
  readonly topology: Topology;
  readonly profile: Profile;
  readonly roles: TuningRoles;
}

/**
 * Plans what a profile sets on a machine.
 *
 * @throws BarewireError `bad-input` for a device that does not exist or has no queues, and for a set without a CPU
 */
export function planTuning({ topology, profile, roles }: TuningRequest): TuningPlan {
  const [asked] = profile.knobs['irq-affinity'] ?? [];
  const rule = INTERRUPT_RULES.find((name) => name === asked) ?? null;
  const situation = describeSituation(topology, roles, rule);
  const own = Object.keys(profile.knobs)
    .filter((name) => !KNOBS.some((knob) => knob.name === name))
    .map((name) => findKnob(name, `The profile ${profile.name}`));
  const plans = [...KNOBS, ...own].flatMap((knob) => {
    const [value] = profile.knobs[knob.name] ?? [];
    return value === undefined ? [] : [{ knob, plan: knob.plan(situation, value) }];
  });
  const settings = plans.flatMap(({ knob: { name, scope }, plan }) =>
    plan.settings.map((setting): Setting => ({ knob: name, ...setting, scope: setting.scope ?? scope })),
  );
  return {
    settings,
    notApplicable: plans.flatMap(({ knob: { name }, plan: { finding } }) =>
      finding === undefined ? [] : [{ knob: name, finding }],
    ),
    conflicts: [
      ...plans.flatMap(({ plan: { conflicts = [] } }) => conflicts),
      ...findInterruptConflict(situation, settings),
    ],
  };
}

/** CPUs of interrupts that RPS spares, but on which workers or threads run all the same. */
function findInterruptConflict({ serving }: Situation, settings: readonly Setting[]): TuningFinding[] {
  const masks = settings.flatMap(({ knob, value }) => (knob === 'rps' ? [parseCpuMask(value) ?? []] : []));
  const spared = serving.filter((cpu) => masks.length > 0 && masks.every((mask) => !mask.includes(cpu)));
  const users = settings.flatMap((setting) => (setting.kind === 'affinity' ? [setting] : []));
  const used = spared.filter((cpu) => users.some(({ cpus }) => cpus.includes(cpu)));
  if (used.length === 0) return [];
  const processes = users
    .filter(({ cpus }) => used.some((cpu) => cpus.includes(cpu)))
    .map(({ process }) => process);
  return [{ code: 'interrupt-cpus-used', cpus: used, processes }];
}
