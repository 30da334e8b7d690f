import * as z from 'zod';
import {
  type BarewireError,
  durationQuantity,
  GENERATORS,
  didYouMean,
  positiveQuantity,
  type QuantityKind,
  type QuantityProblem,
  refuseQuantity,
  shareQuantity,
  userError,
  wholeQuantity,
} from '../schema/index.js';
import { parseTestbed, testbedUsage } from '../testbed/index.js';
import type { SpecInput } from './presets.js';
import type { NameValue } from './spec-source.js';
import { DESIGNS } from './spec-tuning.js';

/** Messages of the schema continue "must be". */
const given = z.union([z.string(), z.number()]);

/** A quantity of one kind. What is wrong with it is in the issue's parameters. */
const quantity = <T>(read: QuantityKind<T>) =>
  z.unknown().transform((value, context): T => {
    const parsed = given.safeParse(value);
    const found = read(parsed.success ? parsed.data : '');
    if ('value' in found) return found.value;
    context.addIssue({ code: 'custom', params: found.problem });
    return z.NEVER;
  });
const whole = (least: number, most: number) => quantity(wholeQuantity(least, most));
const duration = (leastMs: number, mostMs: number) => quantity(durationQuantity(leastMs, mostMs));
const text = z.string('a text').min(1, 'a text');
const flag = z.boolean('true or false');
const listOf = <T extends z.ZodType>(what: string, item: T) =>
  z.array(item, `a list of ${what}`).min(1, `a list of at least one of ${what}`);
const rateList = listOf('rates', given);
const oneOf = <const T extends readonly string[]>(names: T) => z.enum(names, names.join(' or '));

const testbed = z.string('a text').refine((name) => parseTestbed(name) !== null, {
  error: () => `one of ${testbedUsage()}`,
});

/** The keys of a spec. Errors name the nearest of them. */
const inputSchema = z.object({
  name: z
    .string('a text')
    .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'up to 64 lower-case letters, digits, dots and dashes'),
  testbed: testbed.default('netns'),
  containers: oneOf(['namespace', 'docker']).default('namespace'),
  nodes: z
    .array(text, 'a list of two nodes')
    .length(2, "a list of the client's node and the server's")
    .optional(),
  namespace: text.optional(),
  createNamespace: flag.optional(),
  imageNode: text.optional(),
  imageNginx: text.optional(),
  imagePullSecret: text.optional(),
  ip: whole(4, 6)
    .pipe(z.union([z.literal(4), z.literal(6)], '4 or 6'))
    .default(4),
  networks: listOf(
    'networks',
    z.union([z.string(), z.record(z.string(), z.unknown())], 'a name, or an object with a name'),
  ),
  workloads: listOf('workloads', text).default(['350B']),
  rates: z.union(
    [rateList, z.record(z.string(), rateList)],
    'a list of rates, or such a list for each workload',
  ),
  maximum: flag.default(false),
  objective: text.optional(),
  restarts: whole(1, 1000).optional(),
  precision: text.optional(),
  rounds: whole(1, 100_000).optional(),
  time: duration(5_000, 86_400_000).default(180_000),
  slice: duration(50, 3_600_000).optional(),
  warmup: duration(0, 60_000).default(10),
  timeout: duration(1, 60_000).default(1_000),
  connections: whole(1, 1_000_000).default(64),
  congestionControl: z
    .string('a text')
    .regex(/^[a-z][a-z0-9_]{0,14}$/, 'cubic, bbr, reno, … or unchanged')
    .default('cubic'),
  tune: text.optional(),
  ablate: text.optional(),
  design: oneOf(DESIGNS).optional(),
  tuneMachine: flag.optional(),
  generator: oneOf(GENERATORS).default('barewire'),
  arrival: oneOf(['constant', 'poisson']).default('constant'),
  article: oneOf(['full', 'scaled']).optional(),
  seed: whole(0, 2 ** 31 - 1).optional(),
  margin: quantity(shareQuantity(0.99)).default(0.05),
  tailMargin: quantity(shareQuantity(0.99)).default(0.2),
  wire: z
    .strictObject(
      {
        mtu: whole(1280, 65535).default(1500),
        rateMbps: z.union([z.null(), quantity(positiveQuantity(1e6))]).default(null),
      },
      'keys and values: { mtu: 1500 }',
    )
    .prefault({}),
});
export const SPEC_KEYS = Object.keys(inputSchema.shape);

export type ParsedInput = z.infer<typeof inputSchema>;

/**
 * Parses the values of a spec whose keys are known.
 *
 * @throws BarewireError `bad-input` about the first that is not valid
 */
export function parseInput(input: SpecInput, nameValue: NameValue): ParsedInput {
  const parsed = inputSchema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw refusal(parsed.error, input, nameValue);
}

const bad = (message: string, hint: string): BarewireError => userError(message, hint);

export const showValue = (value: unknown): string =>
  value === undefined ? 'nothing' : JSON.stringify(value);

/** How to write what is no list, by key. */
const EXAMPLES: Readonly<Record<string, string>> = {
  networks: '[host, macvlan]',
  workloads: '[350B, 4KB]',
  rates: '[20k, 30%]',
  nodes: '[worker-1, worker-2]',
  wire: '{ mtu: 1500 }',
};

function refusal(error: z.ZodError, input: SpecInput, nameValue: NameValue): BarewireError {
  const issue = deepest(error.issues);
  const { path } = issue;
  const value = path.reduce<unknown>(
    (at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key],
    input,
  );
  const place = nameValue(...path);
  const [key = ''] = path.map(String);
  const example = EXAMPLES[key];
  if (path.length === 1 && value === undefined)
    return bad(`${nameValue()}: the key ${key} is missing.`, `Add ${key}: ${example ?? '…'}`);
  if (issue.code === 'custom' && issue.params !== undefined)
    return refuseQuantity(place, value, issue.params as QuantityProblem);
  if (issue.code === 'unrecognized_keys') {
    const [unknown = ''] = issue.keys;
    const keys = Object.keys(inputSchema.shape.wire.unwrap().shape);
    return bad(
      `${nameValue(...path, unknown)}: unknown key "${unknown}".`,
      `${didYouMean(unknown, keys)}Keys: ${keys.join(', ')}.`,
    );
  }
  const isScalar = typeof value === 'string' || typeof value === 'number';
  return bad(
    `${place} must be ${issue.message}, got ${showValue(value)}.`,
    example !== undefined && path.length === 1
      ? `Write ${key}: ${isScalar ? `[${value}]` : example}.`
      : 'Correct it. `barewire study --help` lists the keys and their units.',
  );
}

/** The first issue; of a union that takes a list or a map, the alternative that got furthest. */
function deepest(issues: readonly z.core.$ZodIssue[], within: readonly PropertyKey[] = []): z.core.$ZodIssue {
  const [first] = issues;
  if (first === undefined) throw new RangeError('an error has an issue');
  const path = [...within, ...first.path];
  if (first.code !== 'invalid_union') return { ...first, path };
  const entered = first.errors
    .map((alternative) => deepest(alternative, path))
    .find((issue) => issue.path.length > path.length || issue.code === 'custom');
  return entered ?? { ...first, path };
}
