import { ARM, nearest, userError, type TestbedChoice } from '../schema/index.js';
import { offeredNetworks, withDescribedNetworks } from '../testbed/index.js';
import type { NameValue } from './spec-source.js';

/** An entry of `networks`: a name, or an object that describes a network. */
type Entry = string | Readonly<Record<string, unknown>>;

/**
 * Resolves the networks of a study to names, and adds those that the spec describes to its testbed. Names on the command line choose
 * among those too.
 *
 * @param asked the networks of the command line, or else of the spec
 * @param written those of the spec
 * @throws BarewireError `bad-input` with the nearest name, or with the place of a description that is not valid
 */
export function resolveNetworks(
  choice: TestbedChoice,
  asked: readonly Entry[],
  written: unknown,
  nameValue: NameValue,
): { readonly choice: TestbedChoice; readonly networks: readonly string[] } {
  const names = asked.map((entry) => (typeof entry === 'string' ? entry : entry['name']));
  const entries = (Array.isArray(written) ? written : [])
    .map((entry: unknown, index) => ({ entry, place: nameValue('networks', index) }))
    .filter(isDescription)
    .filter(({ entry }) => names.includes(entry['name']));
  const described = withDescribedNetworks(choice, entries);
  const known = offeredNetworks(choice);
  const offered = offeredNetworks(described);
  // A description may imply a network: the reference on its nodes.
  const added = offered.filter((name) => !known.includes(name));
  const named = names.map((name, index) => {
    const found = offered.find((one) => one === name);
    if (found !== undefined) return found;
    const text = String(name);
    const place = nameValue('networks', index);
    if (text.includes(ARM))
      throw userError(
        `${place}: "${text}" is not a network: arms are made by --ablate.`,
        'Name the network alone.',
      );
    throw userError(
      `${place}: the testbed ${choice.kind} has no network "${text}".`,
      `Did you mean "${nearest(text, offered)}"? It has ${offered.join(', ')}.`,
    );
  });
  return { choice: described, networks: [...new Set([...named, ...added])] };
}

const isDescription = (one: {
  readonly entry: unknown;
  readonly place: string;
}): one is { readonly entry: Readonly<Record<string, unknown>>; readonly place: string } =>
  typeof one.entry === 'object' && one.entry !== null;
