import type { Step } from '../../schema/index.js';
import { containerMtu, subnetOf, tunnelAddress, wholeNetwork } from '../addressing.js';
import { inKernel } from '../changes.js';
import { wgStep } from '../commands.js';
import { singleOf, versionOf, type IpVersion } from '../ip-version.js';
import { publicKeySymbol } from '../symbols.js';
import { needs, offers, SOURCES } from '../facts.js';
import type { NetworkChange, NetworkHost, HostView, Backend } from '../types.js';

/** flannel has one device per version of IP. */
const DEVICES: Readonly<Record<IpVersion, { readonly name: string; readonly port: number }>> = {
  4: { name: 'flannel-wg', port: 51820 },
  6: { name: 'flannel-wg-v6', port: 51821 },
};
/** The outer IPv6 header 40, UDP 8, WireGuard 32; flannel subtracts the same for IPv4. */
const OVERHEAD_BYTES = 80;

/** flannel's WireGuard backend: one device for all peers; the allowed addresses select the peer. */
export const wireguard: Backend = {
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
  overheadBytes: { 4: OVERHEAD_BYTES, 6: OVERHEAD_BYTES },
  addresses: 'subnet',
  oneSegment: false,
  exchangeKeys: (site) => ({
    changes: [...key(site), ...device(site)],
    ask: ['wg', 'show', deviceOf(site.host).name, 'public-key'],
  }),
  own: () => [],
  peer: (site, peer) => [allow(site, peer)],
  afterPeers: (site) => route(site),
  path: ({ host }) => [
    { netns: null, link: host.dev },
    { netns: null, link: deviceOf(host).name },
  ],
};

const deviceOf = ({ address }: NetworkHost) => DEVICES[versionOf(address)];
const keyFolder = ({ run, host }: HostView): string => `/run/barewire/${run}-${host.name}-wg`;
const keyPath = (site: HostView): string => `${keyFolder(site)}/key`;

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

function device(site: HostView): NetworkChange[] {
  const { host } = site;
  const { name, port } = deviceOf(host);
  return [
    inKernel(null, `Create ${host.name}'s tunnel device.`, {
      kind: 'link',
      type: 'wireguard',
      name,
      mtu: containerMtu(host, wireguard),
    }),
    wgStep(
      null,
      'Set its port and its private key.',
      `set ${name} listen-port ${port} private-key ${keyPath(site)}`,
    ),
  ];
}

function allow({ host }: HostView, peer: NetworkHost): Step {
  const { name, port } = deviceOf(host);
  const { address, publicKey = publicKeySymbol(peer.name) } = peer;
  const endpoint = versionOf(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
  return wgStep(
    null,
    `Add the peer ${peer.name}: its key, endpoint and container addresses.`,
    `set ${name} peer ${publicKey} endpoint ${endpoint} allowed-ips ${subnetOf(peer)}`,
  );
}

/** One route for all hosts, as in flannel; the host's own subnet has a longer prefix. */
function route({ host }: HostView): NetworkChange[] {
  const link = deviceOf(host).name;
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
