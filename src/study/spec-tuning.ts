import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { readTopology } from '../linux/index.js';
import { describeTuningFinding } from '../report/index.js';
import {
  ARM,
  REFERENCE,
  userError,
  type AblationEffect,
  type BarewireError,
  type ResolvedStudy,
  type StudyTuning,
  type Topology,
  type TuningFinding,
  fileFault,
} from '../schema/index.js';
import { findTestbedKind } from '../testbed/index.js';
import { findKnob, KNOB_FILES, planTuning, resolveProfile, type Profile } from '../tuning/index.js';
import { eachAlone, halfOfThem, type Arm } from './ablation-arms.js';
import type { NameValue } from './spec-source.js';
import { withVeth } from './tuning.js';

/** How an ablation divides knobs among arms: each alone and left out, or half of them in each arm. */
export const DESIGNS = ['each', 'plackett-burman'] as const;
type Design = (typeof DESIGNS)[number];
/** With more knobs, each alone and left out would be too many arms for a study. */
const MOST_FOR_EACH = 8;

/** What a spec says about tuning. */
export interface TuningKeys {
  /** The name or file of a profile that all hosts get. */
  readonly tune?: string | undefined;
  /** That of a profile whose knobs are compared. */
  readonly ablate?: string | undefined;
  readonly design?: Design | undefined;
  readonly tuneMachine?: boolean | undefined;
}

/** What resolving a profile reads. */
export interface TuningSources {
  /** The topology of this machine. */
  readonly readTopology: () => Topology;
  /** The text of a file. */
  readonly readText: (path: string) => string;
}

/** The machine that this process runs on. */
export const THIS_MACHINE: TuningSources = {
  readTopology: () => readTopology('/', KNOB_FILES),
  readText: (path) => {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      throw userError(
        `Could not read the profile ${path}: ${fileFault(error)}.`,
        'Name a readable YAML or JSON file, or a profile of `barewire tune`.',
        { cause: error },
      );
    }
  },
};

interface SpecPlace {
  /** The spec's file: profiles are relative to it. */
  readonly name: string;
  readonly nameValue: NameValue;
}

/**
 * Adds the tuning of a spec to its study. An ablation replaces each network by its arms: nothing, everything, each knob alone (with
 * each of its values) and each knob left out, all measured in the same rounds.
 *
 * @throws BarewireError `bad-input`
 */
export function resolveTuning(
  study: ResolvedStudy,
  { tune, ablate, design, tuneMachine = false }: TuningKeys,
  { name: file, nameValue }: SpecPlace,
  sources: TuningSources,
): ResolvedStudy {
  const place = nameValue(tune === undefined ? 'ablate' : 'tune');
  const asked = tune ?? ablate;
  if (design !== undefined && ablate === undefined)
    throw bad(`${nameValue('design')} is about an ablation.`, 'Add ablate: latency, or omit it.');
  if (asked === undefined) {
    if (tuneMachine)
      throw bad(
        `${nameValue('tuneMachine')} without a profile has no effect.`,
        'Add tune: latency, or omit it.',
      );
    return study;
  }
  if (tune !== undefined && ablate !== undefined)
    throw bad(`${place}: tune and ablate exclude each other.`, 'Name one profile with one of them.');
  const kind = findTestbedKind(study.testbed);
  if (!kind.plansNetworks || study.testbed.docker !== undefined)
    throw bad(
      `${place}: hosts of the testbed ${study.testbed.kind}${study.testbed.docker === undefined ? '' : ' with containers of Docker'} are not tuned.`,
      'Use --testbed netns, vm or ssh with bare namespaces, or tune the nodes with `barewire tune apply`.',
    );
  const path = file.includes('/') && asked.startsWith('.') ? resolve(dirname(file), asked) : asked;
  const profile = resolveProfile(path, sources.readText);
  if (tune !== undefined) {
    const all = firstValues(profile);
    const tuning: StudyTuning = {
      profile: profile.name,
      arms: Object.fromEntries(study.networks.map((name) => [name, all])),
      machine: tuneMachine,
    };
    return { ...study, tuning };
  }
  const others = study.networks.filter((name) => name !== REFERENCE);
  const shares = kind.sharesHosts !== 'never';
  if (shares && others.length > 0)
    throw bad(
      `${place}: on hosts that all arms share, an ablation compares knobs on the network ${REFERENCE} alone, not on ${others.join(', ')}.`,
      `Use --networks ${REFERENCE}, or --testbed netns, where each arm has hosts of its own.`,
    );
  const chosen = { design, tuneMachine, topology: shares ? null : sources.readTopology() };
  return { ...study, ...planAblation(study, profile, chosen, place) };
}

const bad = (message: string, hint: string): BarewireError => userError(message, hint);

const firstValues = ({ knobs }: Profile): Arm =>
  Object.fromEntries(Object.entries(knobs).map(([knob, [value]]) => [knob, value]));

/** The device of a namespace in the plan that shows which knobs do anything. */
const DEVICE = 'veth';

function planAblation(
  study: ResolvedStudy,
  profile: Profile,
  {
    design,
    tuneMachine,
    topology,
  }: {
    readonly design: Design | undefined;
    readonly tuneMachine: boolean;
    /** Of this machine, whose namespaces are the hosts; null where the hosts are machines of their own, which are not known yet. */
    readonly topology: Topology | null;
  },
  place: string,
): Pick<ResolvedStudy, 'networks' | 'reference' | 'references' | 'tuning'> {
  const plan =
    topology === null
      ? null
      : planTuning({
          topology: { ...topology, devices: withVeth(topology, DEVICE) },
          profile,
          roles: { connections: study.connections, ports: [80], interface: DEVICE },
        });
  const findingOf = (knob: string): TuningFinding | null => {
    if (knob === 'generator-affinity') return { code: 'generator-shared' };
    if (findKnob(knob, place).scope.takesEffect === 'boot') return { code: 'needs-reboot' };
    if (plan === null) return null;
    const finding = plan.notApplicable.find((one) => one.knob === knob)?.finding;
    if (finding !== undefined) return finding;
    const own = plan.settings.filter((setting) => setting.knob === knob);
    return own.some(({ scope }) => scope.where === 'machine') && !tuneMachine
      ? { code: 'machine-shared' }
      : null;
  };
  const omitted = Object.keys(profile.knobs).flatMap((knob) => {
    const finding = findingOf(knob);
    return finding === null ? [] : [{ knob, finding }];
  });
  const knobs = Object.entries(profile.knobs).filter(([knob]) => !omitted.some((one) => one.knob === knob));
  if (knobs.length === 0)
    throw bad(
      `${place}: no knob of the profile ${profile.name} can be compared on these hosts.`,
      omitted.map(({ knob, finding }) => `${knob}: ${describeTuningFinding(finding)}`).join(' '),
    );
  const divide =
    (design ?? (knobs.length > MOST_FOR_EACH ? 'plackett-burman' : 'each')) === 'each'
      ? eachAlone
      : halfOfThem;
  const arms: Record<string, Arm> = {};
  const effects: AblationEffect[] = [];
  for (const network of study.networks) {
    const divided = divide(network, knobs, study.congestionControl, profile.name);
    Object.assign(arms, divided.arms);
    effects.push(...divided.effects);
    if (network === study.networks[0]) omitted.push(...divided.omitted);
  }
  const references = Object.fromEntries(
    effects.flatMap(({ kind, arm, against }) => (kind === 'main' ? [] : [[arm, against]])),
  );
  const base = study.networks.includes(REFERENCE) ? REFERENCE : (study.networks[0] ?? REFERENCE);
  return {
    networks: Object.keys(arms),
    reference: `${base}${ARM}none`,
    references,
    tuning: { profile: profile.name, arms, ablation: { effects, omitted }, machine: tuneMachine },
  };
}
