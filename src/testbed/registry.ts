import { findNetwork, networkNames, type Network } from '../network/index.js';
import { bug, nearest, userError, type TestbedChoice } from '../schema/index.js';
import { NETNS } from './netns/kind.js';
import { SSH } from './ssh/kind.js';
import type { Testbed, TestbedKind, TestbedOptions } from './types.js';
import { VM } from './vm/kind.js';

/** An entry whose options are checked when it is used: what the registry holds. */
export interface RegisteredTestbed extends Omit<TestbedKind<unknown>, 'parse' | 'open' | 'optionsSchema'> {
  parse(text: string | null): TestbedChoice | null;
  open(options: unknown, common: TestbedOptions): Promise<Testbed>;
}

const register = <Options>(kind: TestbedKind<Options>): RegisteredTestbed => ({
  ...kind,
  parse: (text) => {
    const options = kind.parse(text);
    return options === null ? null : { kind: kind.name, options };
  },
  open: async (options, common) => {
    const parsed = kind.optionsSchema.safeParse(options);
    if (parsed.success) return await kind.open(parsed.data, common);
    throw userError(
      `Invalid options of the testbed ${kind.name}: ${parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')}`,
      `Use --testbed ${kind.usage.join(' or --testbed ')}.`,
    );
  },
});

const KINDS: RegisteredTestbed[] = [register(NETNS), register(VM), register(SSH)];

/** Adds a kind of testbed, as a program that embeds Barewire does. Disposing removes it. */
export function registerTestbed<Options>(kind: TestbedKind<Options>): Disposable {
  const entry = register(kind);
  KINDS.push(entry);
  return { [Symbol.dispose]: () => void KINDS.splice(KINDS.indexOf(entry), 1) };
}

export const testbedKinds = (): readonly RegisteredTestbed[] => KINDS;

/** `netns`, `vm`, `vm:KERNEL`, `ssh:CLIENT,SERVER`: what `--testbed` accepts. */
export const testbedUsage = (): string => KINDS.flatMap(({ usage }) => usage).join(', ');

/** Null for a text that names no testbed. */
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
  throw userError(`There is no testbed "${text}".`, `${hint}Use one of: ${testbedUsage()}.`);
}

export function findTestbedKind({ kind }: TestbedChoice): RegisteredTestbed {
  const found = KINDS.find(({ name }) => name === kind);
  if (found !== undefined) return found;
  throw bug(`no testbed ${kind} is registered`);
}

/** Opens a testbed. Rolls back when a part fails. */
export const openTestbed = (choice: TestbedChoice, common: TestbedOptions): Promise<Testbed> =>
  findTestbedKind(choice).open(choice.options ?? {}, common);

/** The names of the networks that a testbed offers. */
export const offeredNetworks = (choice: TestbedChoice): string[] => {
  const { givenNetworks, plansNetworks } = findTestbedKind(choice);
  return [...(plansNetworks ? networkNames() : []), ...givenNetworks.map(({ name }) => name)];
};

/** A network of a testbed by name. @throws BarewireError `bad-input` with the nearest name */
export function findOfferedNetwork(choice: TestbedChoice, name: string): Network {
  const { givenNetworks, plansNetworks } = findTestbedKind(choice);
  const given = givenNetworks.find((network) => network.name === name);
  if (given !== undefined) return given;
  if (plansNetworks) return findNetwork(name);
  const names = offeredNetworks(choice);
  const meant = nearest(name, names);
  throw userError(
    `The testbed ${choice.kind} has no network "${name}".`,
    `${meant === undefined ? '' : `Did you mean "${meant}"? `}It has ${names.join(', ')}.`,
  );
}
