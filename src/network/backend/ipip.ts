import { subnetOf, tunnelAddress } from '../addressing.js';
import { inKernel } from '../changes.js';
import { forbids, needs, offers, SOURCES } from '../facts.js';
import { isOnSegment } from '../segment.js';
import type { Backend } from '../types.js';
import { hostGw } from './host-gw.js';

const DEVICE = 'flannel.ipip';
/** The outer IPv4 header. */
const OVERHEAD_BYTES = 20;

interface IpipOptions {
  /** Routes, as those of host-gw, to peers on the host's own segment. */
  readonly directRouting: boolean;
}

/** flannel's IPIP backend: one tunnel device for all peers; a route's gateway selects the peer. */
export const ipipBackend = ({ directRouting }: IpipOptions): Backend => ({
  name: 'ipip',
  what: 'IP-in-IP tunnels between the hosts',
  requires: [{ kind: 'link-type', type: 'ipip' }],
  facts: [
    needs('IP protocol 4 passed between the hosts', SOURCES.flannel),
    needs('an MTU of containers 20 bytes smaller', SOURCES.rfc2003),
    needs('the module ipip, whose device tunl0 stays until it is unloaded', SOURCES.fallbackTunnels),
    forbids('IPv6', SOURCES.flannel),
    offers('hosts on different segments', SOURCES.flannel),
  ],
  noIpv6: "flannel's ipip backend supports IPv4 only",
  overheadBytes: { 4: OVERHEAD_BYTES, 6: OVERHEAD_BYTES },
  addresses: 'subnet',
  oneSegment: false,
  own: ({ host }) => [
    inKernel(null, `Create ${host.name}'s tunnel device.`, {
      kind: 'link',
      type: 'ipip',
      name: DEVICE,
      mtu: host.mtu - OVERHEAD_BYTES,
      up: true,
      local: host.address,
      dev: host.dev,
    }),
    inKernel(null, 'Add a source address.', {
      kind: 'address',
      address: `${tunnelAddress(host)}/32`,
      link: DEVICE,
    }),
  ],
  peer: (site, peer) =>
    directRouting && isOnSegment(site.host, peer)
      ? hostGw.peer(site, peer)
      : [
          inKernel(null, `Route to ${peer.name}'s containers through the tunnel.`, {
            kind: 'route',
            destination: subnetOf(peer),
            via: peer.address,
            link: DEVICE,
            onlink: true,
          }),
        ],
  path: ({ host }) => [
    { netns: null, link: host.dev },
    { netns: null, link: DEVICE },
  ],
});

export const ipip = ipipBackend({ directRouting: false });
