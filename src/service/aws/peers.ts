import type { VpcNode } from './placement.js';

/** How this node sends packets to the containers of a peer. */
export type VpcPath =
  /** A kernel route through the peer's address in the VPC subnet that both nodes are in. */
  | { readonly method: 'host-gw'; readonly gateway: string }
  /** A route of the VPC's table leads there: the kernel needs a route to the VPC's router only. */
  | { readonly method: 'vpc-route' }
  /** The addresses belong to the peer's interface: the VPC delivers them without a route. */
  | { readonly method: 'vpc-prefix' }
  | { readonly method: 'vxlan'; readonly nodeAddress: string; readonly vtepMac: string }
  | { readonly method: 'unreachable'; readonly reason: 'no-vxlan-here' | 'no-vxlan-there' };

export interface PeerPlanInput {
  readonly self: VpcNode;
  readonly peers: readonly VpcNode[];
  /**
   * Leased subnets that have an active route in this node's own table, from the last listing. For stock nodes
   * of type aws-vpc, which make a route and publish nothing about it.
   */
  readonly listed?: ReadonlySet<string>;
}

/**
 * Chooses a path for each peer, by leased subnet. A node decides for the packets that it sends, from the
 * peer's lease and its own placement, and accepts whatever peers send: so nodes need not agree, the two
 * directions of a pair may differ, and a lease that changes affects only the paths to its node. The kernel
 * must not check the reverse path strictly (`reversePathSettings`).
 */
export const planVpcPeers = ({
  self,
  peers,
  listed = new Set(),
}: PeerPlanInput): ReadonlyMap<string, VpcPath> =>
  new Map(peers.map((peer) => [peer.subnet, choosePath(self, peer, listed)]));

function choosePath(self: VpcNode, peer: VpcNode, listed: ReadonlySet<string>): VpcPath {
  const [mine, theirs] = [self.placement, peer.placement];
  if (mine !== null && theirs !== null && mine.vpc === theirs.vpc) {
    if (theirs.prefix) return { method: 'vpc-prefix' };
    if (mine.vpcSubnet === theirs.vpcSubnet) return { method: 'host-gw', gateway: peer.publicIp };
    if (theirs.routes.includes(mine.table)) return { method: 'vpc-route' };
  }
  if (self.vtepMac !== null && peer.vtepMac !== null)
    return { method: 'vxlan', nodeAddress: peer.publicIp, vtepMac: peer.vtepMac };
  if (mine !== null && peer.vtepMac === null && listed.has(peer.subnet)) return { method: 'vpc-route' };
  return {
    method: 'unreachable',
    reason: self.vtepMac === null ? 'no-vxlan-here' : 'no-vxlan-there',
  };
}

/**
 * Settings of the links that packets of peers arrive at. The two directions of a pair may use different links,
 * and the kernel takes the larger value of `all` and the link: 2 is the loose check (ip-sysctl.rst).
 */
export const reversePathSettings = (links: readonly string[]): readonly (readonly [string, string])[] =>
  links.map((link) => [`net.ipv4.conf.${link.replaceAll('.', '/')}.rp_filter`, '2']);
