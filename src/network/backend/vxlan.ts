import { containerMtu, subnetOf, tunnelAddress } from '../addressing.js';
import { inKernel } from '../changes.js';
import { singleOf, versionOf } from '../ip-version.js';
import { localMac } from '../symbols.js';
import { needs, offers, SOURCES } from '../facts.js';
import type { NetworkHost, Backend } from '../types.js';

/** flannel has one device per version of IP. */
const DEVICES = { 4: 'flannel.1', 6: 'flannel-v6.1' } as const;
const deviceOf = ({ address }: NetworkHost): string => DEVICES[versionOf(address)];
/** flannel's values: VNI 1, and the port that Linux used before IANA assigned 4789. */
const VNI = 1;
const PORT = 8472;
/**
 * The outer IP header 20 or 40, UDP 8, VXLAN 8, the inner Ethernet header 14. flannel itself subtracts 50 for
 * IPv6 too, and its largest packets then travel in two fragments.
 */
const OVERHEAD_BYTES = { 4: 50, 6: 70 } as const;

/**
 * flannel's VXLAN backend: a tunnel device without learning; neighbour, forwarding entry and route for every
 * peer.
 */
export const vxlan: Backend = {
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
      name: deviceOf(host),
      mac: vtepMac(run, host),
      mtu: containerMtu(host, vxlan),
      up: true,
      vni: VNI,
      port: PORT,
      dev: host.dev,
      local: host.address,
    }),
    inKernel(null, 'Add the address that peers route to.', {
      kind: 'address',
      address: `${tunnelAddress(host)}/${singleOf(versionOf(host.address))}`,
      link: deviceOf(host),
    }),
  ],
  // The route comes last, so that no packet meets a tunnel without its peer.
  peer: ({ run }, peer) => [
    inKernel(null, `Add the MAC of ${peer.name}'s tunnel device.`, {
      kind: 'neighbour',
      address: tunnelAddress(peer),
      mac: vtepMac(run, peer),
      link: deviceOf(peer),
    }),
    inKernel(null, `Add the forwarding entry to ${peer.name}.`, {
      kind: 'forwarding',
      mac: vtepMac(run, peer),
      link: deviceOf(peer),
      to: peer.address,
    }),
    inKernel(null, `Route to ${peer.name}'s containers through the tunnel.`, {
      kind: 'route',
      destination: subnetOf(peer),
      via: tunnelAddress(peer),
      link: deviceOf(peer),
      onlink: true,
    }),
  ],
  path: ({ host }) => [
    { netns: null, link: host.dev },
    { netns: null, link: deviceOf(host) },
  ],
};

const vtepMac = (run: string, host: NetworkHost): string => localMac('vtep', run, host.name);
