import { containerMtu, subnetOf, tunnelAddress } from '../addressing.js';
import { inKernel } from '../changes.js';
import { singleOf, versionOf } from '../ip-version.js';
import { localMac } from '../symbols.js';
import { needs, offers, SOURCES } from '../facts.js';
import { isOnSegment } from '../segment.js';
import { vniBeside } from '../beside-deployed.js';
import type { KernelChange, NetworkHost, Backend, HostView } from '../types.js';
import { hostGw } from './host-gw.js';

/** flannel's values: VNI 1, and the port that Linux used before IANA assigned 4789. */
export const VXLAN_DEFAULTS = { vni: 1, port: 8472, directRouting: false } as const;

export interface VxlanOptions {
  readonly vni: number;
  readonly port: number;
  /** Routes, as those of host-gw, to peers on the host's own segment. */
  readonly directRouting: boolean;
}

/** flannel has one device per version of IP. */
export const vxlanDevice = (host: Pick<NetworkHost, 'address' | 'deployed'>, vni: number): string =>
  `${versionOf(host.address) === 6 ? 'flannel-v6' : 'flannel'}.${vniBeside(host, vni)}`;
/**
 * The outer IP header 20 or 40, UDP 8, VXLAN 8, the inner Ethernet header 14. flannel itself subtracts 50 for
 * IPv6 too, and its largest packets then travel in two fragments.
 */
const OVERHEAD_BYTES = { 4: 50, 6: 70 } as const;

/**
 * flannel's VXLAN backend: a tunnel device without learning; neighbour, forwarding entry and route for every
 * peer.
 */
export const vxlanBackend = ({ vni, port, directRouting }: VxlanOptions): Backend => ({
  name: 'vxlan',
  what: 'VXLAN tunnels between the hosts',
  requires: [
    { kind: 'link-type', type: 'vxlan' },
    { kind: 'tool', name: 'bridge' },
  ],
  facts: [
    needs('Linux 3.7 or newer', SOURCES.linux37),
    needs('UDP port 8472 open between the hosts', SOURCES.flannel),
    needs('an MTU of containers 50 bytes smaller, 70 with IPv6', SOURCES.rfc7348),
    offers('hosts on different segments', SOURCES.flannel),
  ],
  overheadBytes: OVERHEAD_BYTES,
  addresses: 'subnet',
  oneSegment: false,
  own: ({ run, host }) => [
    // The MAC is set at creation: a udev rule could overwrite one that is set later.
    inKernel(null, `Create ${host.name}'s tunnel device.`, {
      kind: 'link',
      type: 'vxlan',
      name: vxlanDevice(host, vni),
      mac: vtepMac(run, host),
      mtu: containerMtu(host, { name: 'vxlan', overheadBytes: OVERHEAD_BYTES }),
      up: true,
      vni: vniBeside(host, vni),
      port,
      dev: host.dev,
      local: host.address,
    }),
    inKernel(null, 'Add the address that peers route to.', {
      kind: 'address',
      address: `${tunnelAddress(host)}/${singleOf(versionOf(host.address))}`,
      link: vxlanDevice(host, vni),
    }),
  ],
  // The route comes last, so that no packet meets a tunnel without its peer.
  peer: (site, peer) =>
    directRouting && isOnSegment(site.host, peer)
      ? hostGw.peer(site, peer)
      : tunnelTo(site, peer, vxlanDevice(site.host, vni)),
  path: ({ host }) => [
    { netns: null, link: host.dev },
    { netns: null, link: vxlanDevice(host, vni) },
  ],
});

export const vxlan = vxlanBackend(VXLAN_DEFAULTS);

const tunnelTo = ({ run }: HostView, peer: NetworkHost, link: string): KernelChange[] => [
  inKernel(null, `Add the MAC of ${peer.name}'s tunnel device.`, {
    kind: 'neighbour',
    address: tunnelAddress(peer),
    mac: vtepMac(run, peer),
    link,
  }),
  inKernel(null, `Add the forwarding entry to ${peer.name}.`, {
    kind: 'forwarding',
    mac: vtepMac(run, peer),
    link,
    to: peer.address,
  }),
  inKernel(null, `Route to ${peer.name}'s containers through the tunnel.`, {
    kind: 'route',
    destination: subnetOf(peer),
    via: tunnelAddress(peer),
    link,
    onlink: true,
  }),
];

const vtepMac = (run: string, { name, tunnelMac }: NetworkHost): string =>
  tunnelMac ?? localMac('vtep', run, name);
