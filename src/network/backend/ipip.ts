import type { Step } from '../../schema/index.js';
import { subnetOf, tunnelAddress } from '../addressing.js';
import { ip } from '../commands.js';
import type { NetworkHost, HostView, Backend } from '../types.js';

const DEVICE = 'flannel.ipip';
/** The outer IPv4 header. */
const OVERHEAD_BYTES = 20;

/** flannel's IPIP backend: one tunnel device for all peers; a route's gateway selects the peer. */
export const ipip: Backend = {
  name: 'ipip',
  what: 'IP-in-IP tunnels between the hosts',
  requires: [{ kind: 'link-type', type: 'ipip' }],
  noIpv6: "flannel's ipip backend makes IPv4 tunnels alone",
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
  ip(
    null,
    `Make ${host.name}'s end of the tunnels.`,
    `link add ${DEVICE} mtu ${host.mtu - OVERHEAD_BYTES} up type ipip local ${host.address} dev ${host.dev}`,
    { kind: 'link', netns: null, name: DEVICE },
  ),
  ip(null, 'Give it an address to send from.', `addr add ${tunnelAddress(host)}/32 dev ${DEVICE}`),
];

const route = (peer: NetworkHost): Step =>
  ip(
    null,
    `Send what is for ${peer.name}'s containers into the tunnel.`,
    `route add ${subnetOf(peer)} via ${peer.address} dev ${DEVICE} onlink`,
  );
