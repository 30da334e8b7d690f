import { Option } from 'commander';
import { isIP } from 'node:net';
import { dirname } from 'node:path';
import { NODE_PLUGIN, NODE_SOCKET, userError } from '../schema/index.js';
import type { NodeOptions } from '../service/index.js';

/** How a command reaches etcd. */
export interface EtcdFlags {
  readonly etcdEndpoints: string;
  readonly etcdPrefix: string;
  readonly etcdCafile?: string;
  readonly etcdCertfile?: string;
  readonly etcdKeyfile?: string;
  readonly etcdUsername?: string;
  readonly etcdPassword?: string;
}

export interface InterfaceFlags {
  readonly iface?: readonly string[];
  readonly ifaceRegex?: readonly string[];
  readonly ifaceCanReach?: string;
  readonly publicIp?: string;
  readonly publicIpv6?: string;
}

const STATE = '/var/lib/barewire/node';

/** The environment variable of an option of flanneld. */
export const flanneldVariable = (option: string): string =>
  `FLANNELD_${option.replaceAll('-', '_').toUpperCase()}`;

/** An option of flanneld, with its environment variable. */
export const flanneld = (flags: string, description: string): Option =>
  new Option(flags, description).env(flanneldVariable(/--([\w-]+)/.exec(flags)?.[1] ?? ''));

export const etcdOptions = (): Option[] => [
  flanneld('--etcd-endpoints <urls>', 'members of etcd, with commas').default('http://127.0.0.1:2379'),
  flanneld('--etcd-prefix <path>', "flannel's prefix in etcd").default('/coreos.com/network'),
  flanneld('--etcd-cafile <file>', 'certificate authority of etcd'),
  flanneld('--etcd-certfile <file>', 'certificate of this client'),
  flanneld('--etcd-keyfile <file>', 'key of this client'),
  flanneld('--etcd-username <name>', 'user of etcd'),
  flanneld('--etcd-password <password>', 'its password; better by FLANNELD_ETCD_PASSWORD'),
];

export const stateOption = (): Option =>
  new Option('--state <directory>', "the node's record").default(STATE).env('BAREWIRE_NODE_STATE');
export const socketOption = (): Option =>
  new Option('--socket <path>', "the agent's unix socket").default(NODE_SOCKET).env('BAREWIRE_NODE_SOCKET');

export const cniOption = (): Option =>
  new Option('--cni <directory>', 'directory for the requests of the CNI plugin')
    .default('/run/barewire/cni')
    .env('BAREWIRE_NODE_CNI');

const collect = (value: string, before?: readonly string[]): readonly string[] => [...(before ?? []), value];

export const interfaceOptions = (): Option[] => [
  flanneld(
    '--iface <name>',
    'interface to the other nodes, by name or address; the first of several (default: of the default route)',
  ).argParser(collect),
  flanneld('--iface-regex <expression>', 'the same by a regular expression, after --iface').argParser(
    collect,
  ),
  flanneld('--iface-can-reach <address>', 'the interface by which the host routes to an address'),
  flanneld('--public-ip <address>', "address that other nodes connect to (default: the interface's)"),
  flanneld('--public-ipv6 <address>', 'the same for IPv6'),
];

export const externalOf = (flags: InterfaceFlags): NodeOptions['external'] => ({
  iface: flags.iface ?? [],
  ifaceRegex: flags.ifaceRegex ?? [],
  ifaceCanReach: addressOf('--iface-can-reach', flags.ifaceCanReach),
  publicIp: addressOf('--public-ip', flags.publicIp, 4),
  publicIpv6: addressOf('--public-ipv6', flags.publicIpv6, 6),
});

function addressOf(option: string, text: string | undefined, version?: 4 | 6): string | null {
  if (text === undefined || text === '') return null;
  if (isIP(text) !== 0 && (version === undefined || isIP(text) === version)) return text;
  throw userError(
    `${option} must be an ${version === undefined ? 'IP' : `IPv${version}`} address, got \`${text}\`.`,
    'See `barewire node --help`.',
  );
}

export const folderOptions = (): Option[] => [
  new Option('--bin-dir <directory>', 'where runtimes look for CNI plugins').default(dirname(NODE_PLUGIN)),
  new Option('--conf-dir <directory>', 'where they look for configurations').default('/etc/cni/net.d'),
  cniOption(),
];

export function leasesOf(flags: EtcdFlags): NodeOptions['leases'] {
  const { etcdUsername: name, etcdPassword: password = '' } = flags;
  const endpoints = flags.etcdEndpoints.split(',').map((url) => url.trim());
  const wrong = endpoints.find((url) => !/^https?:\/\/[^/]/.test(url) || !URL.canParse(url));
  if (wrong !== undefined)
    throw userError(
      `--etcd-endpoints must be URLs with http:// or https://, got "${wrong}".`,
      `For example: --etcd-endpoints http://${/^[\w.[\]-]+:\d+$/.test(wrong) ? wrong : '10.0.0.1:2379'}`,
    );
  return {
    endpoints,
    prefix: flags.etcdPrefix,
    tls: { caFile: flags.etcdCafile, certificateFile: flags.etcdCertfile, keyFile: flags.etcdKeyfile },
    ...(name !== undefined && { user: { name, password } }),
  };
}
