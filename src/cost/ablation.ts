import { describeTuningFinding } from '../report/index.js';
import {
  networkOfArm,
  SERVER_PORT,
  userError,
  type Cost,
  type Setting,
  type Topology,
  type TuningFinding,
} from '../schema/index.js';
import { eachAlone } from '../study/index.js';
import { planTuning, type KnobValue, type Profile } from '../tuning/index.js';

type Knobs = Readonly<Record<string, KnobValue>>;

/** A network with what is tuned of its hosts. */
export interface CostArm {
  /** `host`, or `host@notrack` in an ablation. */
  readonly name: string;
  readonly knobs: Knobs;
  /** Whether the guest's kernel works around flaws of CPUs. */
  readonly mitigations: boolean;
}

export interface CostAblation extends NonNullable<Cost['ablation']> {
  readonly arms: readonly CostArm[];
}

/** What a guest has without a knob. */
const CONGESTION_CONTROL = 'cubic';

/**
 * The topology of every guest that counts: one CPU, a veth in each host, and a kernel that is not older than this. The kernel's files
 * are not known: one that it lacks makes its arm fail.
 */
const guestTopology = (device: string): Topology => ({
  kernel: '6.1',
  cpus: [{ cpu: 0, node: 0, siblings: [0], governor: null, governors: [], energyBias: null }],
  offline: [],
  isolated: [],
  cpuCount: 1,
  allowed: [0],
  nodes: [{ node: 0, cpus: [0] }],
  devices: [
    {
      name: device,
      driver: null,
      node: null,
      rxQueues: [{ queue: 0, irq: null, rpsCpus: [], rpsFlows: 0 }],
      txQueues: [{ queue: 0, irq: null, xpsCpus: null }],
      interrupts: [],
    },
  ],
  defaultDevice: null,
  irqbalance: false,
  conntrack: true,
  congestionControls: null,
  idleDriver: 'none',
  files: {},
});

const planInGuest = (profile: Profile, device: string, connections: number) =>
  planTuning({
    topology: guestTopology(device),
    profile,
    roles: { connections, ports: [SERVER_PORT], interface: device },
  });

/** What the knobs of an arm set in a guest, but for the congestion control, which routes pin. */
export function settingsInGuest(knobs: Knobs, device: string, connections: number): readonly Setting[] {
  const own = Object.entries(knobs).filter(
    ([knob]) => knob !== 'congestion-control' && knob !== 'mitigations',
  );
  const values = Object.fromEntries(own.map(([knob, value]) => [knob, [value] as const]));
  return planInGuest({ name: 'arm', what: '', knobs: values }, device, connections).settings;
}

/** One arm for each network, as without an ablation: an emulated CPU has none of the flaws that mitigations address. */
export const plainArms = (networks: readonly string[]): readonly CostArm[] =>
  networks.map((name) => ({ name, knobs: {}, mitigations: false }));

/**
 * Divides the knobs of a profile among arms of each network: each alone, and each left out of all.
 *
 * @throws BarewireError `bad-input` where no knob has an effect in a guest
 */
export function planCostAblation(profile: Profile, networks: readonly string[]): CostAblation {
  const { settings, notApplicable } = planInGuest(profile, 'veth', 1);
  const findingOf = (knob: string): TuningFinding | null => {
    if (knob === 'mitigations') return null;
    if (settings.some((setting) => setting.knob === knob && setting.kind === 'affinity'))
      return { code: 'single-cpu' };
    return notApplicable.find((one) => one.knob === knob)?.finding ?? null;
  };
  const omitted = Object.keys(profile.knobs).flatMap((knob) => {
    const finding = findingOf(knob);
    return finding === null ? [] : [{ knob, finding }];
  });
  const knobs = Object.entries(profile.knobs).filter(([knob]) => omitted.every((one) => one.knob !== knob));
  if (knobs.length === 0)
    throw userError(
      `No knob of the profile ${profile.name} has an effect in a guest of one CPU.`,
      omitted.map(({ knob, finding }) => `${knob}: ${describeTuningFinding(finding)}`).join(' '),
    );
  const divided = networks.map((network) => eachAlone(network, knobs, CONGESTION_CONTROL, profile.name));
  const comparesMitigations = knobs.some(([knob]) => knob === 'mitigations');
  return {
    profile: profile.name,
    effects: divided.flatMap(({ effects }) => effects),
    omitted: [...omitted, ...(divided[0]?.omitted ?? [])],
    arms: divided.flatMap(({ arms }) =>
      Object.entries(arms).map(([name, own]) => ({
        name,
        knobs: own,
        mitigations: comparesMitigations && own['mitigations'] === undefined,
      })),
    ),
  };
}

/** What two arms have in common that are the same, of which one is counted. */
export const contentOf = ({ name, knobs, mitigations }: CostArm): string =>
  JSON.stringify([networkOfArm(name), Object.entries(knobs).sort(), mitigations]);

/** Of each network with knobs, an arm with the most of them. */
export function fullestArms(arms: readonly CostArm[]): readonly CostArm[] {
  const fullest = new Map<string, CostArm>();
  const size = (arm: CostArm | undefined): number => Object.keys(arm?.knobs ?? {}).length;
  for (const arm of arms)
    if (size(arm) > size(fullest.get(networkOfArm(arm.name)))) fullest.set(networkOfArm(arm.name), arm);
  return [...fullest.values()];
}
