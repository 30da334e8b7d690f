import { subnetOf } from '../addressing.js';
import { inKernel } from '../changes.js';
import { needs, SOURCES } from '../facts.js';
import type { Backend } from '../types.js';

/** Each host is the gateway to its containers: one route per peer's subnet, one hop away on layer 2. */
export const hostGw: Backend = {
  name: 'host-gw',
  what: "routes to each host's subnet",
  requires: [],
  facts: [
    needs('one layer-2 segment for all hosts', SOURCES.flannel),
    needs("on all hosts, a route to each other host's containers", SOURCES.flannel),
  ],
  overheadBytes: { 4: 0, 6: 0 },
  addresses: 'subnet',
  oneSegment: true,
  own: () => [],
  peer: ({ host }, peer) => [
    inKernel(null, `Route to ${peer.name}'s containers.`, {
      kind: 'route',
      destination: subnetOf(peer),
      via: peer.address,
      link: host.dev,
    }),
  ],
  path: ({ host }) => [{ netns: null, link: host.dev }],
};
