import { subnetOf, tunnelAddress } from '../addressing.js';
import { ipStep } from '../commands.js';
import { forbids, needs, offers, SOURCES } from '../facts.js';
import type { NetworkHost, Backend } from '../types.js';

const DEVICE = 'flannel.ipip';
/** The outer IPv4 header. */
const OVERHEAD_BYTES = 20;

/** flannel's IPIP backend: one tunnel device for all peers; a route's gateway selects the peer. */
export const ipip: Backend = {
  name: 'ipip',
  what: 'IP-in-IP tunnels between the hosts',
  requires: [{ kind: 'link-type', type: 'ipip' }],
  facts: [
    needs('IP protocol 4 passed between the hosts', SOURCES.flannel),
    needs('an MTU of containers 20 bytes smaller', SOURCES.rfc2003),
    forbids('IPv6', SOURCES.flannel),
    offers('hosts on different segments', SOURCES.flannel),
  ],
  noIpv6: "flannel's ipip backend supports IPv4 only",
  overheadBytes: { 4: OVERHEAD_BYTES, 6: OVERHEAD_BYTES },
  addresses: 'subnet',
  oneSegment: false,
  steps: (site) => [
    ...[
      ipStep(
        null,
        `Create ${site.host.name}'s tunnel device.`,
        `link add ${DEVICE} mtu ${site.host.mtu - OVERHEAD_BYTES} up type ipip local ${site.host.address} dev ${site.host.dev}`,
        { kind: 'link', netns: null, name: DEVICE },
      ),
      ipStep(null, 'Add a source address.', `addr add ${tunnelAddress(site.host)}/32 dev ${DEVICE}`),
    ],
    ...site.peers.map((peer: NetworkHost) =>
      ipStep(
        null,
        `Route to ${peer.name}'s containers through the tunnel.`,
        `route add ${subnetOf(peer)} via ${peer.address} dev ${DEVICE} onlink`,
      ),
    ),
  ],
  path: ({ host }) => [
    { netns: null, link: host.dev },
    { netns: null, link: DEVICE },
  ],
};
