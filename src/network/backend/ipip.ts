import type { Step } from '../../schema/index.js';
import { subnetOf, tunnelAddress } from '../addressing.js';
import { ipStep } from '../commands.js';
import type { NetworkHost, HostView, Backend } from '../types.js';

const DEVICE = 'flannel.ipip';
/** The outer IPv4 header. */
const OVERHEAD_BYTES = 20;

/** flannel's IPIP backend: one tunnel device for all peers; a route's gateway selects the peer. */
export const ipip: Backend = {
  name: 'ipip',
  what: 'IP-in-IP tunnels between the hosts',
  requires: [{ kind: 'link-type', type: 'ipip' }],
  noIpv6: "flannel's ipip backend supports IPv4 only",
  overheadBytes: { 4: OVERHEAD_BYTES, 6: OVERHEAD_BYTES },
  addresses: 'subnet',
  oneSegment: false,
  steps: (site) => [...device(site), ...site.peers.map(route)],
  path: ({ host }) => [
    { netns: null, link: host.dev },
    { netns: null, link: DEVICE },
  ],
};

const device = ({ host }: HostView): Step[] => [
  ipStep(
    null,
    `Create ${host.name}'s tunnel device.`,
    `link add ${DEVICE} mtu ${host.mtu - OVERHEAD_BYTES} up type ipip local ${host.address} dev ${host.dev}`,
    { kind: 'link', netns: null, name: DEVICE },
  ),
  ipStep(null, 'Add a source address.', `addr add ${tunnelAddress(host)}/32 dev ${DEVICE}`),
];

const route = (peer: NetworkHost): Step =>
  ipStep(
    null,
    `Route to ${peer.name}'s containers through the tunnel.`,
    `route add ${subnetOf(peer)} via ${peer.address} dev ${DEVICE} onlink`,
  );
