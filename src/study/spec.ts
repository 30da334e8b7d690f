import * as z from 'zod';
import {
  BARE,
  type BarewireError,
  type GeneratorName,
  GENERATORS,
  nearest,
  LATENCY_KEYS,
  printCriterion,
  printRate,
  REFERENCE,
  resolvedStudySchema,
  WORKLOADS,
  type Objective,
  type Rate,
  type ResolvedStudy,
  type TestbedChoice,
  type WorkloadName,
  userError,
} from '../schema/index.js';
import {
  findTestbedKind,
  parseTestbed,
  requireTestbed,
  testbedUsage,
  DEFAULT_IMAGES,
  withOptions,
} from '../testbed/index.js';
import { ratesFor, searches } from './generator-choice.js';
import { divideTime, fittingRestarts } from './plan-slices.js';
import { parseObjective } from './objective.js';
import type { SpecInput } from './presets.js';
import { parseDurationMs, parseRate } from './quantity.js';
import { resolveNetworks } from './spec-networks.js';

const bad = (message: string, hint: string): BarewireError => userError(message, hint);

const quantity = z.union([z.string(), z.number()]);
const whole = (least: number, most: number) => z.number().int().min(least).max(most);
const rateList = z.array(quantity).min(1);

const duration = (leastMs: number, mostMs: number) =>
  quantity.transform((value, context) => {
    const ms = parseDurationMs(value);
    if (ms === null) context.addIssue(`"${value}" is not a duration; write 3s, 250ms or 2m`);
    else if (ms < leastMs || ms > mostMs)
      context.addIssue(`"${value}" is outside ${leastMs} ms to ${mostMs / 1000} s`);
    return ms ?? 0;
  });

const testbed = z.string().refine((text) => parseTestbed(text) !== null, {
  error: () => `use one of: ${testbedUsage()}`,
});

/** The keys of a spec. Errors name the nearest of them. */
const inputSchema = z.object({
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'use lower-case letters, digits, dots and dashes'),
  testbed: testbed.default('netns'),
  containers: z.enum(['namespace', 'docker'], 'write namespace or docker').default('namespace'),
  nodes: z.array(z.string().min(1)).length(2, "name the client's node and the server's").optional(),
  namespace: z.string().min(1).optional(),
  createNamespace: z.boolean().optional(),
  imageNode: z.string().min(1).optional(),
  imageNginx: z.string().min(1).optional(),
  imagePullSecret: z.string().min(1).optional(),
  ip: z.union([z.literal(4), z.literal(6)], 'write 4 or 6').default(4),
  networks: z
    .array(z.union([z.string(), z.record(z.string(), z.unknown())], 'write a name, or an object with a name'))
    .min(1),
  workloads: z.array(z.string()).min(1).default(['350B']),
  rates: z.union([rateList, z.record(z.string(), rateList)]),
  maximum: z.boolean().default(false),
  objective: z.string().optional(),
  restarts: whole(1, 1000).optional(),
  precision: z.string().optional(),
  rounds: whole(1, 100_000).optional(),
  time: duration(5_000, 86_400_000).default(180_000),
  slice: duration(50, 3_600_000).optional(),
  warmup: duration(0, 60_000).default(10),
  timeout: duration(1, 60_000).default(1_000),
  connections: whole(1, 1_000_000).default(64),
  congestionControl: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,14}$/, 'write cubic, bbr, reno, … or unchanged')
    .default('cubic'),
  generator: z.enum(GENERATORS).default('barewire'),
  arrival: z.enum(['constant', 'poisson']).default('constant'),
  article: z.enum(['full', 'scaled']).optional(),
  seed: whole(0, 2 ** 31 - 1).optional(),
  margin: z.number().gt(0).lt(1).default(0.05),
  tailMargin: z.number().gt(0).lt(1).default(0.2),
  wire: z
    .strictObject({
      mtu: whole(1280, 65535).default(1500),
      rateMbps: z.number().min(1).max(1e6).nullable().default(null),
    })
    .prefault({}),
});
const KEYS = Object.keys(inputSchema.shape);

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
 * `freshSeed` if the spec has none.
 *
 * @throws BarewireError `bad-input` with the value, its position and the nearest valid name
 */
export function resolveSpec(
  input: unknown,
  place: string,
  overrides: SpecOverrides,
  freshSeed: () => number,
): ResolvedStudy {
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    throw bad(`${place} is not a spec: expected keys and values.`, `Keys: ${KEYS.join(', ')}.`);
  const merged = {
    name: 'study',
    ...input,
    ...Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined)),
  };
  for (const key of Object.keys(merged))
    if (Object.hasOwn(REPLACED, key))
      throw bad(`${place}: the key ${key} no longer exists.`, REPLACED[key] ?? '');
    else if (!KEYS.includes(key))
      throw bad(
        `${place} has the unknown key "${key}".`,
        `Did you mean "${nearest(key, KEYS)}"? Keys: ${KEYS.join(', ')}.`,
      );
  const parsed = inputSchema.safeParse(merged);
  if (!parsed.success) throw refusal(parsed.error, merged, place);
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
  } = parsed.data;
  const workloads = [...new Set(rest.workloads.map((name) => workloadNamed(name, place)))];
  const { choice, networks } = resolveNetworks(
    chooseTestbed(requireTestbed(rest.testbed), rest, containers),
    rest.networks,
    (input as SpecInput)['networks'],
    place,
  );
  if (containers === 'docker') requireOwnGenerator(rest.generator, place);
  const chosen = objective === undefined ? undefined : objectiveNamed(objective, place);
  const study = resolvedStudySchema.parse({
    ...rest,
    testbed: choice,
    networks: withBare(choice, networks),
    workloads,
    rates: ratesFor({
      ...rest,
      rates: resolveRates(rates, workloads, place),
      ratesAsked: overrides['rates'] !== undefined,
    }),
    maximum: searches({ ...rest, objective: chosen, maximumAsked: overrides['maximum'] === true }),
    objective: chosen,
    rounds: rounds ?? 1,
    restarts:
      restarts ?? defaultRestarts(choice, rounds === undefined ? time : null, precision !== undefined),
    precision: precision === undefined ? undefined : precisionNamed(precision, place),
    timeMs: rounds === undefined ? time : null,
    durationMs: slice ?? DEFAULT_SLICE_MS,
    sliceGiven: slice !== undefined,
    warmupMs,
    timeoutMs,
    seed: rest.seed ?? freshSeed(),
  });
  requireRates(study, place);
  const planned = withFittingRestarts(study, restarts);
  const { rounds: fitting, durationMs } = divideTime(planned, planned.networks);
  return { ...planned, rounds: fitting, durationMs };
}

type TestbedOptions = Readonly<Pick<z.infer<typeof inputSchema>, (typeof TESTBED_KEYS)[number]>>;

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

function refusal(error: z.ZodError, input: SpecInput, place: string): BarewireError {
  const [issue] = error.issues;
  const path = issue?.path ?? [];
  const value = path.reduce<unknown>(
    (at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key],
    input,
  );
  const shown = value === undefined ? 'missing' : JSON.stringify(value);
  return bad(
    `${place}: ${path.join('.')} is ${shown}: ${issue?.message ?? 'not valid'}.`,
    'Correct it. `barewire study --help` lists the keys and their units.',
  );
}

function workloadNamed(name: string, place: string): WorkloadName {
  const found = WORKLOADS.find((known) => known === name);
  if (found !== undefined) return found;
  throw bad(
    `${place}: unknown workload "${name}".`,
    `Did you mean "${nearest(name, WORKLOADS)}"? Workloads: ${WORKLOADS.join(', ')}.`,
  );
}

function objectiveNamed(text: string, place: string): Objective {
  const objective = parseObjective(text);
  if (!('nearest' in objective)) return objective;
  throw bad(
    `${place}: "${text}" is not an objective.`,
    `Did you mean "${objective.nearest}"? Write criteria separated by commas: a latency (p99@50%), cpu, setup, max or max:p99<2ms, each with a weight (*2) if one counts more.`,
  );
}

const PRECISION = /^(?<latency>p[\d.]+)\s+(?<percent>\d+(?:\.\d+)?)%$/;

function precisionNamed(text: string, place: string): NonNullable<ResolvedStudy['precision']> {
  const { latency: asked, percent } = PRECISION.exec(text.trim())?.groups ?? {};
  const latency = LATENCY_KEYS.find((key) => key === asked);
  const share = Number(percent) / 100;
  if (latency !== undefined && share > 0 && share <= 1) return { latency, share };
  throw bad(
    `${place}: "${text}" is not a precision.`,
    "Write a percentile and the greatest half width of its intervals: 'p99 10%', 'p50 3%'.",
  );
}

/** A criterion of a rate that no cell has would leave the decision without a figure. */
function requireRates({ objective = [], rates }: ResolvedStudy, place: string): void {
  const known = Object.values(rates).flat();
  const has = (wanted: Rate): boolean =>
    known.some((rate) => JSON.stringify(rate) === JSON.stringify(wanted));
  for (const criterion of objective)
    if ('at' in criterion && criterion.at !== null && !has(criterion.at))
      throw bad(
        `${place}: the objective ${printCriterion(criterion)} is about a rate that the study does not have.`,
        `Its rates: ${[...new Set(known.map(printRate))].join(', ')}. Use one of them, or add the rate.`,
      );
}

type RatesInput = z.infer<typeof inputSchema>['rates'];

function resolveRates(
  rates: RatesInput,
  workloads: readonly WorkloadName[],
  place: string,
): ResolvedStudy['rates'] {
  if (!Array.isArray(rates)) for (const name of Object.keys(rates)) workloadNamed(name, `${place}: rates`);
  const listed = workloads.map((name) => {
    const asked = Array.isArray(rates) ? rates : rates[name];
    if (asked === undefined)
      throw bad(`${place}: rates has no entry for the workload ${name}.`, 'Give each workload its rates.');
    return [name, asked.map((value) => rateNamed(value, place))] as const;
  });
  return Object.fromEntries(listed);
}

function rateNamed(value: string | number, place: string): Rate {
  const rate = parseRate(value);
  if (rate !== null) return rate;
  throw bad(
    `${place}: "${value}" is not a rate.`,
    "Write requests per second (50000, 50k, 50k/s) or a share of the reference's maximum (30%), greater than 0.",
  );
}
