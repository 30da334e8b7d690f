import * as z from 'zod';
import { didYouMean, userError, messageOf } from '../../schema/index.js';

/** Plugins define keys of their own, which are passed on unchanged. */
const pluginSchema = z.looseObject({
  type: z.string().regex(/^[^/\\\s]+$/, 'must be the file name of a plugin'),
  ipam: z.looseObject({ type: z.string().optional() }).optional(),
});
export type PluginConfiguration = Readonly<z.infer<typeof pluginSchema>>;

const name = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, 'must be letters, digits, "_", "." and "-"')
  .default('barewire-check');
const listSchema = z.object({ name, plugins: z.array(pluginSchema).min(1) });
const singleSchema = pluginSchema
  .extend({ name })
  .transform(({ name: network, ...plugin }) => ({ name: network, plugins: [plugin] }));

/** A network: the plugins of its chain in the order of ADD. */
export interface NetworkConfiguration {
  readonly name: string;
  readonly plugins: readonly PluginConfiguration[];
}

/** The uplink of the host namespace, its name when a configuration has no `master`. */
const UPLINK = 'eth0';
/** The network of the built-in configurations. The uplink uses the lower half of the range of RFC 2544. */
const CHECK_SUBNET = '198.19.0.0/24';

const hostLocal = {
  type: 'host-local',
  ranges: [[{ subnet: CHECK_SUBNET }]],
  routes: [{ dst: '0.0.0.0/0' }],
};

/** The configurations of known plugins. docs/cni.md prints them. */
export const BUILT_IN: Readonly<Record<string, PluginConfiguration>> = {
  bridge: { type: 'bridge', bridge: 'cni0', isGateway: true, ipMasq: true, ipam: hostLocal },
  ptp: { type: 'ptp', ipMasq: true, ipam: hostLocal },
  macvlan: { type: 'macvlan', master: UPLINK, mode: 'bridge', ipam: hostLocal },
  ipvlan: { type: 'ipvlan', master: UPLINK, mode: 'l2', ipam: hostLocal },
  loopback: { type: 'loopback' },
};

/** The built-in configuration of a type of plugin. */
export function builtInConfiguration(type: string): NetworkConfiguration {
  const plugin = BUILT_IN[type];
  if (plugin !== undefined) return { name: 'barewire-check', plugins: [plugin] };
  const names = Object.keys(BUILT_IN);
  throw userError(
    `There is no built-in network configuration for ${JSON.stringify(type)}.`,
    `${didYouMean(type, names)}Built in are ${names.join(', ')}. Pass another by --config FILE.`,
  );
}

/** Reads a network configuration: a list with `plugins`, or one plugin. `file` is for messages. */
export function parseConfiguration(text: string, file: string): NetworkConfiguration {
  const bad = (message: string): Error =>
    userError(
      `${file} is not a network configuration: ${message}`,
      'Write {"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "bridge", …}]}.',
    );
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw bad(messageOf(error));
  }
  const isList = typeof value === 'object' && value !== null && 'plugins' in value;
  const parsed = (isList ? listSchema : singleSchema).safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw bad(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'unknown problem'}`);
  }
  return parsed.data;
}

/** The first `master` of a configuration: the name that the uplink gets. */
export const uplinkOf = ({ plugins }: NetworkConfiguration): string =>
  plugins
    .map(({ master }: Readonly<Record<string, unknown>>) => master)
    .find((master) => typeof master === 'string') ?? UPLINK;

/** The directories in which the plugins of a configuration keep state, besides the usual ones. */
export const stateDirectoriesOf = ({ plugins }: NetworkConfiguration): string[] =>
  plugins
    .flatMap((plugin: Readonly<Record<string, unknown>>) => [
      plugin['dataDir'],
      (plugin['ipam'] as Readonly<Record<string, unknown>> | undefined)?.['dataDir'],
    ])
    .filter((directory) => typeof directory === 'string');
