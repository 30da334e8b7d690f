import { isIP } from 'node:net';
import * as z from 'zod';
import { CNI_CODES, CniError, SPEC_VERSIONS, type SpecVersion } from './protocol.js';

const attachmentKeySchema = z.object({ containerID: z.string(), ifname: z.string() });

const configSchema = z.looseObject({
  cniVersion: z.string().default('0.3.0'),
  name: z.string().min(1),
  type: z.string(),
  prevResult: z.looseObject({}).optional(),
  args: z.looseObject({ cni: z.looseObject({ ips: z.array(z.string()).optional() }).optional() }).optional(),
  runtimeConfig: z
    .looseObject({ ips: z.array(z.string()).optional(), mac: z.string().optional() })
    .optional(),
  dns: z.looseObject({}).optional(),
  /** As flannel's usual configuration has it. */
  hairpinMode: z.boolean().default(true),
  'cni.dev/valid-attachments': z.array(attachmentKeySchema).optional(),
});

export interface CniRequest {
  readonly command: 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS';
  readonly containerId: string;
  /** Empty in a DEL whose namespace is gone. */
  readonly netns: string;
  readonly ifname: string;
  readonly config: CniConfig;
  readonly version: SpecVersion;
  /** What the runtime requests: an address (CNI_ARGS `IP`, `args.cni.ips` or the capability `ips`) and a MAC. */
  readonly wanted: { readonly ips: readonly string[]; readonly mac: string | null };
}

type CniConfig = z.infer<typeof configSchema>;

const COMMANDS = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS'] as const;
/** Which variables a command needs. */
const NEEDS: Readonly<Record<CniRequest['command'], readonly string[]>> = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  GC: [],
  STATUS: [],
};
/** The first version that has a command. */
const SINCE: Readonly<Partial<Record<CniRequest['command'], SpecVersion>>> = {
  CHECK: '0.4.0',
  GC: '1.1.0',
  STATUS: '1.1.0',
};

/** Parses what the plugin has written: variables, an empty line, and the configuration. Throws `CniError`. */
export function parseRequest(text: string): CniRequest {
  const end = text.indexOf('\n\n');
  const variables = new Map(
    text
      .slice(0, end)
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
  const config = parseConfig(text.slice(end + 2));
  const version = SPEC_VERSIONS.find((one) => one === config.cniVersion);
  if (version === undefined)
    throw new CniError(
      CNI_CODES.incompatibleVersion,
      'incompatible CNI versions',
      `config is "${config.cniVersion}", plugin supports ${JSON.stringify(SPEC_VERSIONS)}`,
    );
  const variable = (name: string): string => variables.get(name) ?? '';
  const command = COMMANDS.find((one) => one === variable('CNI_COMMAND'));
  if (command === undefined)
    throw new CniError(CNI_CODES.badEnvironment, `unknown CNI_COMMAND: "${variable('CNI_COMMAND')}"`);
  const since = SINCE[command];
  if (since !== undefined && SPEC_VERSIONS.indexOf(version) < SPEC_VERSIONS.indexOf(since))
    throw new CniError(CNI_CODES.incompatibleVersion, `config version does not allow ${command}`, version);
  const missing = NEEDS[command].filter((name) => variable(name) === '');
  if (missing.length > 0)
    throw new CniError(CNI_CODES.badEnvironment, `required env variables [${missing.join(',')}] missing`);
  const containerId = variable('CNI_CONTAINERID');
  if (containerId !== '' && !/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(containerId))
    throw new CniError(CNI_CODES.badEnvironment, 'invalid characters in containerID', containerId);
  const ifname = variable('CNI_IFNAME');
  // dev_valid_name in net/core/dev.c
  if (ifname !== '' && (!/^[^\s/:]{1,15}$/.test(ifname) || ifname === '.' || ifname === '..'))
    throw new CniError(CNI_CODES.badEnvironment, 'invalid interface name', ifname);
  return {
    command,
    containerId,
    netns: variable('CNI_NETNS'),
    ifname,
    config,
    version,
    wanted: wantedOf(config, variable('CNI_ARGS')),
  };
}

function parseConfig(text: string): CniConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CniError(CNI_CODES.badContent, 'error parsing the network configuration', String(error));
  }
  const parsed = configSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new CniError(CNI_CODES.badConfig, 'invalid network configuration', z.prettifyError(parsed.error));
}

/** `IgnoreUnknown=1;IP=10.1.1.5;MAC=…` */
function wantedOf({ args, runtimeConfig }: CniConfig, cniArgs: string): CniRequest['wanted'] {
  const pairs = new Map(
    cniArgs
      .split(';')
      .filter(Boolean)
      .map((pair) => {
        const [name = '', value] = pair.split('=');
        if (value === undefined) throw new CniError(CNI_CODES.badEnvironment, 'invalid CNI_ARGS pair', pair);
        return [name, value];
      }),
  );
  const unknown = [...pairs.keys()].filter((name) => !['IgnoreUnknown', 'IP', 'MAC'].includes(name));
  const ignores = /^(1|true)$/i.test(pairs.get('IgnoreUnknown') ?? '');
  if (unknown.length > 0 && !ignores)
    throw new CniError(CNI_CODES.badEnvironment, `unknown CNI_ARGS: ${unknown.join(', ')}`);
  const ip = pairs.get('IP');
  const ips = runtimeConfig?.ips ?? args?.cni?.ips ?? (ip === undefined ? [] : [ip]);
  const addresses = ips.map((one) => one.split('/')[0] ?? '');
  const wrong = addresses.find((address) => isIP(address) === 0);
  if (wrong !== undefined) throw new CniError(CNI_CODES.badConfig, 'not an IP address', wrong);
  const mac = runtimeConfig?.mac ?? pairs.get('MAC') ?? null;
  if (mac !== null && !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac))
    throw new CniError(CNI_CODES.badConfig, 'not a MAC address', mac);
  return { ips: addresses, mac: mac?.toLowerCase() ?? null };
}
