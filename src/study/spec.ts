import {
  BARE,
  type BarewireError,
  type GeneratorName,
  didYouMean,
  REFERENCE,
  resolvedStudySchema,
  type ResolvedStudy,
  type TestbedChoice,
  userError,
} from '../schema/index.js';
import { findTestbedKind, requireTestbed, DEFAULT_IMAGES, withOptions } from '../testbed/index.js';
import { ratesFor, searches } from './generator-choice.js';
import { divideTime, fittingRestarts } from './plan-slices.js';
import type { SpecInput } from './presets.js';
import { parseInput, showValue, SPEC_KEYS, type ParsedInput } from './spec-input.js';
import { valueNames, type SpecSource } from './spec-source.js';
import { objectiveNamed, precisionNamed, requireRates, resolveRates, workloadNamed } from './spec-values.js';
import { resolveNetworks } from './spec-networks.js';
import { resolveTuning, THIS_MACHINE, type TuningSources } from './spec-tuning.js';

const bad = (message: string, hint: string): BarewireError => userError(message, hint);

/** Options of some kinds of testbed. */
const TESTBED_KEYS = [
  'nodes',
  'namespace',
  'createNamespace',
  'imageNode',
  'imageNginx',
  'imagePullSecret',
] as const;

/** Values of the command line that replace those of a spec; undefined replaces nothing. */
export type SpecOverrides = Readonly<Record<string, unknown>>;

/**
 * Resolves a spec to a study with every default filled in. Pure but for the seed, which comes from
 * `freshSeed` if the spec has none. Keys that begin with `x-` are the user's own: anchors for merge keys.
 *
 * @param source the spec's file or name
 * @throws BarewireError `bad-input` with the value, its position and the nearest valid name
 */
export function resolveSpec(
  input: unknown,
  source: string | SpecSource,
  overrides: SpecOverrides,
  freshSeed: () => number,
  sources: TuningSources = THIS_MACHINE,
): ResolvedStudy {
  const from = typeof source === 'string' ? { name: source } : source;
  const nameValue = valueNames(from, overrides);
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    throw bad(
      `${nameValue()} is not a spec: it must have keys and values, got ${showValue(input)}.`,
      `Keys: ${SPEC_KEYS.join(', ')}.`,
    );
  const merged: SpecInput = {
    name: 'study',
    ...Object.fromEntries(Object.entries(input).filter(([key]) => !key.startsWith('x-'))),
    ...Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined)),
  };
  for (const key of Object.keys(merged)) {
    const place = from.text?.placeOfKey([key]) ?? from.name;
    if (Object.hasOwn(REPLACED, key))
      throw bad(`${place}: the key ${key} no longer exists.`, REPLACED[key] ?? '');
    if (!SPEC_KEYS.includes(key))
      throw bad(
        `${place}: unknown key "${key}".`,
        `${didYouMean(key, SPEC_KEYS)}Keys: ${SPEC_KEYS.join(', ')}; keys of your own begin with x-.`,
      );
  }
  const {
    time,
    slice,
    rounds,
    restarts,
    precision,
    warmup: warmupMs,
    timeout: timeoutMs,
    rates,
    objective,
    containers,
    ...rest
  } = parseInput(merged, nameValue);
  const workloads = [
    ...new Set(rest.workloads.map((name, at) => workloadNamed(name, nameValue('workloads', at)))),
  ];
  const { choice, networks } = resolveNetworks(
    chooseTestbed(requireTestbed(rest.testbed), rest, containers),
    rest.networks,
    (input as SpecInput)['networks'],
    nameValue,
  );
  if (containers === 'docker') requireOwnGenerator(rest.generator, nameValue('generator'));
  const chosen = objective === undefined ? undefined : objectiveNamed(objective, nameValue('objective'));
  const untuned = resolvedStudySchema.parse({
    ...rest,
    testbed: choice,
    networks: withBare(choice, networks),
    workloads,
    rates: ratesFor({
      ...rest,
      rates: resolveRates(rates, workloads, nameValue),
      ratesAsked: overrides['rates'] !== undefined,
    }),
    maximum: searches({ ...rest, objective: chosen, maximumAsked: overrides['maximum'] === true }),
    objective: chosen,
    rounds: rounds ?? 1,
    restarts:
      restarts ?? defaultRestarts(choice, rounds === undefined ? time : null, precision !== undefined),
    precision: precision === undefined ? undefined : precisionNamed(precision, nameValue('precision')),
    timeMs: rounds === undefined ? time : null,
    durationMs: slice ?? DEFAULT_SLICE_MS,
    sliceGiven: slice !== undefined,
    warmupMs,
    timeoutMs,
    seed: rest.seed ?? freshSeed(),
  });
  requireRates(untuned, nameValue('objective'));
  const study = resolveTuning(untuned, rest, { name: from.name, nameValue }, sources);
  const planned = withFittingRestarts(study, restarts);
  const { rounds: fitting, durationMs } = divideTime(planned, planned.networks);
  return { ...planned, rounds: fitting, durationMs };
}

type TestbedOptions = Readonly<Pick<ParsedInput, (typeof TESTBED_KEYS)[number]>>;

/** Where containers are made by Docker, the images are theirs; otherwise they are options of the kind. */
function chooseTestbed(
  testbed: TestbedChoice,
  options: TestbedOptions,
  containers: 'namespace' | 'docker',
): TestbedChoice {
  const given = (keys: readonly (keyof TestbedOptions)[]) =>
    Object.fromEntries(keys.flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]])));
  if (containers === 'namespace') return withOptions(testbed, given(TESTBED_KEYS));
  const { imageNode = DEFAULT_IMAGES.node, imageNginx = DEFAULT_IMAGES.nginx } = options;
  const others = TESTBED_KEYS.filter((key) => key !== 'imageNode' && key !== 'imageNginx');
  return { ...withOptions(testbed, given(others)), docker: { imageNode, imageNginx } };
}

/** Every study with containers of Docker shows what a container adds to the reference. */
const withBare = ({ docker }: TestbedChoice, names: readonly string[]): readonly string[] =>
  docker === undefined || names.includes(BARE) || !names.includes(REFERENCE)
    ? names
    : names.flatMap((name) => (name === REFERENCE ? [name, BARE] : [name]));

function requireOwnGenerator(generator: GeneratorName, place: string): void {
  if (generator === 'barewire') return;
  throw bad(
    `${place}: ${generator} does not run in a container of Docker.`,
    'Omit --generator, or --containers docker.',
  );
}

/** An external generator takes seconds for each slice, so that fewer restarts fit. */
function withFittingRestarts(study: ResolvedStudy, given: number | undefined): ResolvedStudy {
  const { generator, timeMs, sliceGiven, durationMs } = study;
  if (generator === 'barewire' || timeMs === null || given !== undefined) return study;
  const sliced = { ...study, durationMs: sliceGiven ? durationMs : 1_000 };
  return { ...study, restarts: fittingRestarts(sliced, timeMs, study.restarts) };
}

const MOST_RESTARTS = 8;
/** Where the rounds are given. */
const RESTARTS_OF_ROUNDS = 5;
/** A restart has ten times as long for its rounds as its set-up takes: on namespaces, eight fit into three minutes. */
const TIMES_SET_UP = 10;
/** Where setting up takes longer, fewer restarts would leave too little to compare. */
const MOST_RESTART_TIME_MS = 45_000;

/** Eight where there is time for them, at least one. With a precision each is a chance to stop. */
function defaultRestarts(choice: TestbedChoice, timeMs: number | null, precision: boolean): number {
  if (timeMs === null) return RESTARTS_OF_ROUNDS;
  const restartTimeMs = Math.min(findTestbedKind(choice).restartMs * TIMES_SET_UP, MOST_RESTART_TIME_MS);
  const fitting = Math.floor(timeMs / restartTimeMs);
  return Math.max(1, precision ? fitting : Math.min(fitting, MOST_RESTARTS));
}

/** Where rounds are given and slices are not. */
const DEFAULT_SLICE_MS = 400;

/** Keys of earlier versions, and what replaces them. */
const REPLACED: Readonly<Record<string, string>> = {
  blocks: 'Use time: 3m for the whole study, or restarts and rounds.',
  duration: 'Use time: 3m for the whole study, or slice: 400ms for the window of one slice.',
};
