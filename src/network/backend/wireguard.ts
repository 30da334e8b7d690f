import type { Secret, Step } from '../../schema/index.js';
import { wireguardBeside } from '../beside-deployed.js';
import { containerMtu, subnetOf, tunnelAddress, wholeNetwork } from '../addressing.js';
import { inKernel } from '../changes.js';
import { singleOf, versionOf, type IpVersion } from '../ip-version.js';
import { publicKeySymbol } from '../symbols.js';
import { needs, offers, SOURCES } from '../facts.js';
import type { NetworkChange, NetworkHost, HostView, Backend } from '../types.js';

/** flannel's values. */
export const WIREGUARD_DEFAULTS = {
  ports: { 4: 51820, 6: 51821 },
  oneDevice: false,
  keepaliveS: null,
  presharedKey: null,
} as const satisfies WireguardOptions;

export interface WireguardOptions {
  /** By the version of the outer IP; one device has that of IPv4. */
  readonly ports: Readonly<Record<IpVersion, number>>;
  /** Carries IPv4 and IPv6 by one device, where flannel by default has two. */
  readonly oneDevice: boolean;
  readonly keepaliveS: number | null;
  readonly presharedKey: Secret | null;
}

const DEVICES: Readonly<Record<IpVersion, string>> = { 4: 'flannel-wg', 6: 'flannel-wg-v6' };
/** The outer IPv6 header 40, UDP 8, WireGuard 32; flannel subtracts the same for IPv4. */
const OVERHEAD_BYTES = { 4: 80, 6: 80 } as const;

/** flannel's WireGuard backend: one device for all peers; the allowed addresses select the peer. */
export const wireguardBackend = (options: WireguardOptions): Backend => ({
  name: 'wireguard',
  what: 'WireGuard tunnels between the hosts, encrypted',
  requires: [
    { kind: 'link-type', type: 'wireguard' },
    { kind: 'tool', name: 'wg' },
  ],
  facts: [
    needs('Linux 5.6 or newer, and the tool wg', SOURCES.linux56),
    needs('UDP ports 51820 and 51821 open between the hosts', SOURCES.flannel),
    offers('encryption', SOURCES.flannel),
    offers('hosts on different segments', SOURCES.flannel),
  ],
  overheadBytes: OVERHEAD_BYTES,
  addresses: 'subnet',
  oneSegment: false,
  exchangeKeys: (site) => ({
    changes: [...key(site), ...device(site, options)],
    ask: ['wg', 'show', deviceOf(site.host, options).name, 'public-key'],
  }),
  own: () => [],
  peer: (site, peer) => [allow(site, peer, options)],
  afterPeers: (site) => route(site, options),
  path: ({ host }) => [
    { netns: null, link: host.dev },
    { netns: null, link: deviceOf(host, options).name },
  ],
});

export const wireguard = wireguardBackend(WIREGUARD_DEFAULTS);

function deviceOf(host: NetworkHost, { ports, oneDevice }: WireguardOptions) {
  const version = oneDevice ? 4 : versionOf(host.address);
  return wireguardBeside(host, { name: DEVICES[version], port: ports[version] });
}
const keyFolder = ({ run, host }: HostView): string => `/run/barewire/${run}-${host.name}-wg`;
const keyPath = (site: HostView): string => site.host.keyFile ?? `${keyFolder(site)}/key`;

/** Generated where it is used; it never leaves the host. */
const key = (site: HostView): Step[] => {
  const folder = { kind: 'directory', path: keyFolder(site) } as const;
  return [
    { why: `Create the directory of ${site.host.name}'s private key.`, do: folder, undo: folder },
    {
      why: `Generate a private key that only root can read.`,
      do: { kind: 'key', path: keyPath(site) },
      undo: { kind: 'file', path: keyPath(site) },
    },
  ];
};

function device(site: HostView, options: WireguardOptions): NetworkChange[] {
  const { host } = site;
  const { name, port } = deviceOf(host, options);
  return [
    inKernel(null, `Create ${host.name}'s tunnel device.`, {
      kind: 'link',
      type: 'wireguard',
      name,
      mtu: containerMtu(host, { name: 'wireguard', overheadBytes: OVERHEAD_BYTES }),
    }),
    inKernel(null, 'Set its port and its private key.', {
      kind: 'wireguard',
      link: name,
      port,
      keyFile: keyPath(site),
      ...(host.publicKey !== undefined && { publicKey: host.publicKey }),
    }),
  ];
}

function allow({ host }: HostView, peer: NetworkHost, options: WireguardOptions): NetworkChange {
  const { name, port } = deviceOf(host, options);
  const { keepaliveS, presharedKey } = options;
  return inKernel(null, `Add the peer ${peer.name}: its key, endpoint and container addresses.`, {
    kind: 'wireguard-peer',
    link: name,
    publicKey: peer.publicKey ?? publicKeySymbol(peer.name),
    endpoint: peer.endpoint ?? { address: peer.address, port },
    allowed: [subnetOf(peer)],
    ...(keepaliveS !== null && { keepaliveS }),
    ...(presharedKey !== null && { presharedKey }),
  });
}

/** One route for all hosts, as in flannel; the host's own subnet has a longer prefix. */
function route({ host }: HostView, options: WireguardOptions): NetworkChange[] {
  const link = deviceOf(host, options).name;
  const address = `${tunnelAddress(host)}/${singleOf(versionOf(host.address))}`;
  return [
    inKernel(null, 'Add a source address.', { kind: 'address', address, link }),
    inKernel(null, 'Enable it.', { kind: 'up', link }),
    inKernel(null, "Route to other hosts' containers through the tunnels.", {
      kind: 'route',
      destination: wholeNetwork(host),
      link,
    }),
  ];
}
