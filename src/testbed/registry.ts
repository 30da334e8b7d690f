import {
  dockerNetworkNames,
  findDockerNetwork,
  findNetwork,
  networkNames,
  type GivenNetwork,
  type Network,
} from '../network/index.js';
import { bug, didYouMean, nearest, networkOfArm, userError, type TestbedChoice } from '../schema/index.js';
import { dockerTestbed } from './docker/kind.js';
import { KUBERNETES } from './kubernetes/kind.js';
import { NETNS } from './netns/kind.js';
import { SSH } from './ssh/kind.js';
import type {
  DescribedNetwork,
  PlanOptions,
  RegisteredTestbed,
  Testbed,
  TestbedKind,
  TestbedOptions,
  TestbedPlan,
} from './types.js';
import { VM } from './vm/kind.js';

function register<Options>(kind: TestbedKind<Options>): RegisteredTestbed {
  const check = (options: unknown): Options => {
    const parsed = kind.optionsSchema.safeParse(options);
    if (parsed.success) return parsed.data;
    throw userError(
      `Invalid options of the testbed ${kind.name}: ${parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')}`,
      `Use --testbed ${kind.usage.join(' or --testbed ')}.`,
    );
  };
  return {
    ...kind,
    parse: (text) => {
      const options = kind.parse(text);
      return options === null ? null : { kind: kind.name, options };
    },
    check: (options) => ({ kind: kind.name, options: check(options) }),
    prepare: async (options) =>
      (await kind.prepare?.(check(options))) ?? { [Symbol.asyncDispose]: () => Promise.resolve() },
    undo: undefined,
    ...(kind.describeNetworks === undefined
      ? {}
      : { describeNetworks: (options, entries) => kind.describeNetworks?.(check(options), entries) }),
    describedNetworks: (options) => kind.describedNetworks?.(check(options)) ?? [],
    ...(kind.undo === undefined
      ? {}
      : { undo: async (options: unknown) => (await kind.undo?.(check(options))) ?? [] }),
    plan: async (options, common) => await kind.plan(check(options), common),
    open: async (plan, options, common) => await kind.open(plan, check(options), common),
  };
}

const KINDS: RegisteredTestbed[] = [register(NETNS), register(VM), register(SSH), register(KUBERNETES)];

/** Adds a kind of testbed, for programs that embed Barewire. Disposing removes it. */
export function registerTestbed<Options>(kind: TestbedKind<Options>): Disposable {
  const entry = register(kind);
  KINDS.push(entry);
  return { [Symbol.dispose]: () => void KINDS.splice(KINDS.indexOf(entry), 1) };
}

export const testbedKinds = (): readonly RegisteredTestbed[] => KINDS;

/** What `--testbed` accepts: `netns`, `vm`, `vm:KERNEL`, `ssh:CLIENT,SERVER`. */
export const testbedUsage = (): string => KINDS.flatMap(({ usage }) => usage).join(', ');

/** Returns null for a text that is no testbed. */
export function parseTestbed(text: string): TestbedChoice | null {
  const [, name, rest] = /^([^:]+)(?::(.*))?$/s.exec(text) ?? [];
  return KINDS.find((kind) => kind.name === name)?.parse(rest ?? null) ?? null;
}

/** @throws BarewireError `bad-input` with the nearest kind */
export function requireTestbed(text: string): TestbedChoice {
  const choice = parseTestbed(text);
  if (choice !== null) return choice;
  const names = KINDS.map(({ name }) => name);
  const [start = ''] = text.split(':');
  const hint = names.includes(start) ? '' : `Did you mean "${nearest(start, names) ?? 'netns'}"? `;
  throw userError(`Unknown testbed "${text}".`, `${hint}Use one of: ${testbedUsage()}.`);
}

/**
 * Adds options that the spec names beside the testbed's text.
 *
 * @throws BarewireError `bad-input` for options that this kind does not have
 */
export function withOptions(
  choice: TestbedChoice,
  options: Readonly<Record<string, unknown>>,
): TestbedChoice {
  if (Object.keys(options).length === 0) return choice;
  return findTestbedKind(choice).check({ ...(choice.options ?? {}), ...options });
}

/**
 * Adds networks that a spec describes by objects.
 *
 * @throws BarewireError `bad-input` for a description that is not valid, or a kind of testbed that takes none
 */
export function withDescribedNetworks(
  choice: TestbedChoice,
  entries: readonly DescribedNetwork[],
): TestbedChoice {
  const [first] = entries;
  if (first === undefined) return choice;
  const { describeNetworks } = findTestbedKind(choice);
  if (describeNetworks !== undefined)
    return { ...choice, options: describeNetworks(choice.options ?? {}, entries) };
  const able = KINDS.filter((kind) => kind.describeNetworks !== undefined).map(({ name }) => name);
  throw userError(
    `${first.place} describes a network, but the testbed ${choice.kind} has only networks with names.`,
    `Name a network of \`barewire networks\`, or use --testbed ${able.join(' or ')}.`,
  );
}

/** Networks that the hosts have already: those of any such testbed, and those that the choice describes. */
const givenNetworksOf = (choice: TestbedChoice): readonly GivenNetwork[] => {
  const { givenNetworks, describedNetworks } = findTestbedKind(choice);
  return [...givenNetworks, ...(describedNetworks?.(choice.options ?? {}) ?? [])];
};

export function findTestbedKind({ kind, docker }: TestbedChoice): RegisteredTestbed {
  const found = KINDS.find(({ name }) => name === kind);
  if (found !== undefined) return docker === undefined ? found : dockerTestbed(found, docker);
  throw bug(`no testbed ${kind} is registered`);
}

/** A testbed gets networks, of which an ablation has several arms. */
const withoutArms = <Options extends PlanOptions>(options: Options): Options =>
  options.networks === undefined
    ? options
    : { ...options, networks: [...new Set(options.networks.map(networkOfArm))] };

/** Reads what opening a testbed depends on, and changes nothing. */
export const planTestbed = (choice: TestbedChoice, common: PlanOptions): Promise<TestbedPlan> =>
  findTestbedKind(choice).plan(choice.options ?? {}, withoutArms(common));

/** Opens a testbed by its plan. Rolls back when a part fails. */
export async function openTestbed(
  choice: TestbedChoice,
  common: TestbedOptions,
  plan?: TestbedPlan,
): Promise<Testbed> {
  const { open } = findTestbedKind(choice);
  const read = plan ?? (await planTestbed(choice, common));
  return await open(read, choice.options ?? {}, withoutArms(common));
}

/** The names of the networks that a testbed offers. */
export const offeredNetworks = (choice: TestbedChoice): string[] => {
  const { plansNetworks } = findTestbedKind(choice);
  const planned = choice.docker === undefined ? networkNames() : dockerNetworkNames();
  return [...(plansNetworks ? planned : []), ...givenNetworksOf(choice).map(({ name }) => name)];
};

/**
 * Finds a network of a testbed by name, also with an arm.
 *
 * @throws BarewireError `bad-input` with the nearest name
 */
export function findOfferedNetwork(choice: TestbedChoice, name: string): Network {
  const base = networkOfArm(name);
  if (base !== name) return { ...findOfferedNetwork(choice, base), name };
  const { plansNetworks } = findTestbedKind(choice);
  const given = givenNetworksOf(choice).find((network) => network.name === name);
  if (given !== undefined) return given;
  if (plansNetworks) return choice.docker === undefined ? findNetwork(name) : findDockerNetwork(name);
  const names = offeredNetworks(choice);
  throw userError(
    `The testbed ${choice.kind} has no network "${name}".`,
    `${didYouMean(name, names)}It has ${names.join(', ')}.`,
  );
}
