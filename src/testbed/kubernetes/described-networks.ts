import type * as z from 'zod';
import { didYouMean, userError, type BarewireError } from '../../schema/index.js';
import type { DescribedNetwork } from '../types.js';
import { networkOf, POD_NETWORKS, sharesNodes, type PodNetwork } from './networks.js';
import type { KubernetesOptions } from './options.js';
import {
  isReservedLabel,
  networkTemplateSchema,
  RESERVED_KEYS,
  TEMPLATE_KEYS,
  type NetworkTemplate,
} from './pod-template.js';

/** Part of the names of pods, Services and labels; `-control` is a suffix of the reference's second pods. */
const NAME = /^(?!.*-control$)[a-z](?:[a-z0-9-]{0,28}[a-z0-9])?$/;

/** All networks of a study: those of every cluster, and those that its options describe. */
export function podNetworksOf({ templates }: Pick<KubernetesOptions, 'templates'>): readonly PodNetwork[] {
  const described: PodNetwork[] = [];
  for (const [name, template] of Object.entries(templates))
    described.push(networkOf(name, template, described));
  return [...POD_NETWORKS, ...described];
}

/**
 * Adds networks that a spec describes to the options. On other nodes than the study's, hardware may differ: networks there get the
 * host network of these nodes as their reference, unless the spec describes one.
 *
 * @throws BarewireError `bad-input` with the place in the spec
 */
export function describeNetworks(
  options: KubernetesOptions,
  entries: readonly DescribedNetwork[],
): KubernetesOptions {
  const templates: Record<string, NetworkTemplate> = { ...options.templates };
  const add = (name: string, template: NetworkTemplate, place: string): void => {
    if (POD_NETWORKS.some((one) => one.name === name) || Object.hasOwn(templates, name))
      throw userError(`${place}.name: there is another network "${name}".`, 'Choose a name of its own.');
    templates[name] = template;
  };
  for (const { entry, place } of entries) {
    const { name, ...template } = parseEntry(entry, place);
    add(name, template, place);
  }
  for (const { entry, place } of entries) {
    const networks = podNetworksOf({ templates });
    const network = networks.find(({ name }) => name === entry['name']);
    if (network?.nodes == null) continue;
    const together = networks.filter((one) => sharesNodes(one, network));
    if (together.some(({ client }) => client === 'host')) continue;
    const like = network.onOneNode ? 'host-local' : 'host';
    add(`${network.name}-${like}`, { like, nodes: [...network.nodes] }, place);
  }
  return { ...options, templates };
}

function parseEntry(
  entry: Readonly<Record<string, unknown>>,
  place: string,
): NetworkTemplate & { name: string } {
  const { name, ...rest } = entry;
  if (typeof name !== 'string' || !NAME.test(name))
    throw userError(
      `${place}.name must be a name of up to 30 lower-case letters, digits and dashes, got ${show(name)}.`,
      'Start with a letter, and do not end with a dash or -control: name: pod-fast.',
    );
  const parsed = networkTemplateSchema.safeParse(rest);
  if (!parsed.success) throw refuse(parsed.error, rest, place);
  const template = parsed.data;
  const { like, pod, nodes, address } = template;
  const reserved = Object.keys(pod?.metadata?.labels ?? {}).find(isReservedLabel);
  if (reserved !== undefined)
    throw userError(
      `${place}.pod.metadata.labels.${reserved} cannot be set.`,
      'Choose another label: by this one a run finds its own objects.',
    );
  if (address !== undefined && !like.startsWith('pod'))
    throw userError(
      `${place}.address is "${address}", but the network is like ${like}, whose address is not that of a pod.`,
      'Omit address, or use like: pod.',
    );
  if (nodes !== undefined && nodes[0] === nodes[1] && !like.endsWith('-local'))
    throw userError(
      `${place}.nodes names ${nodes[0]} twice, but the network is like ${like}, across nodes.`,
      `Name two nodes, or use like: ${like === 'nodeport' ? 'service' : like}-local.`,
    );
  return { name, ...template };
}

function refuse({ issues }: z.ZodError, entry: object, place: string): BarewireError {
  const [issue] = issues;
  const path = issue?.path ?? [];
  const at = [place, ...path].join('.');
  if (issue?.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys;
    const level = path.filter((part) => typeof part !== 'number').join('.');
    const remedy = RESERVED_KEYS[level === '' ? key : `${level}.${key}`];
    if (remedy !== undefined) return userError(`${at}.${key} cannot be set.`, remedy);
    const keys = TEMPLATE_KEYS[level] ?? [];
    return userError(
      `${at} has the unknown key "${key}".`,
      `${didYouMean(key, keys)}Keys: ${keys.join(', ')}.`,
    );
  }
  const value = path.reduce<unknown>(
    (outer, key) => (outer as Record<PropertyKey, unknown> | undefined)?.[key],
    entry,
  );
  const message = issue?.message ?? 'not valid';
  return userError(
    `${at} is ${show(value)}: ${message}.`,
    'Correct it. The keys are those of a Pod in the Kubernetes API.',
  );
}

const show = (value: unknown): string => (value === undefined ? 'missing' : JSON.stringify(value));
