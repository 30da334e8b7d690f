import { subnetOf } from '../addressing.js';
import { ip } from '../commands.js';
import type { NetHost, Site, Underlay } from '../types.js';

/** Each host is the gateway to its containers: a route for every peer's subnet, one hop away on layer 2. */
export const hostGw: Underlay = {
  name: 'host-gw',
  what: "routes to each host's subnet",
  requires: [],
  overheadBytes: { 4: 0, 6: 0 },
  addresses: 'subnet',
  oneSegment: true,
  steps: (site) => site.peers.map((peer) => route(site, peer)),
  through: ({ host }) => [{ netns: null, link: host.dev }],
};

const route = ({ host }: Site, peer: NetHost) =>
  ip(
    null,
    `Send what is for ${peer.name}'s containers to ${peer.name}.`,
    `route add ${subnetOf(peer)} via ${peer.address} dev ${host.dev}`,
    { kind: 'route', netns: null, destination: subnetOf(peer) },
  );
