import type { Secret } from './secret.js';

/** What a link is, beyond its name. `dev` is the host's interface below it. */
type LinkType =
  | { readonly type: 'bridge' }
  | {
      readonly type: 'vxlan';
      readonly vni: number;
      readonly port: number;
      readonly dev: string;
      readonly local: string;
    }
  | { readonly type: 'ipip'; readonly dev: string; readonly local: string }
  | { readonly type: 'wireguard' }
  | { readonly type: 'veth'; readonly peer: VethPeer }
  | { readonly type: 'ipvlan'; readonly dev: string; readonly mode: IpvlanMode; readonly createdAs: string }
  | { readonly type: 'macvlan'; readonly dev: string; readonly createdAs: string };

export type IpvlanMode = 'l2' | 'l3' | 'l3s';

/** The other end of a veth pair, in a container's namespace. */
interface VethPeer {
  readonly name: string;
  readonly netns: string;
  readonly mtu: number;
  readonly mac?: string;
}

/**
 * A link. One on the host's interface is created in a container's namespace under the name `createdAs`, which no link of the host has:
 * kernels before 6.14 check for a link of the same name on the host.
 */
export type LinkObject = LinkType & {
  readonly kind: 'link';
  readonly name: string;
  readonly mtu?: number;
  readonly mac?: string;
  readonly master?: string;
  readonly up?: true;
};

/** An address with its prefix length. */
export interface AddressObject {
  readonly kind: 'address';
  readonly link: string;
  readonly address: string;
}

/** `destination` is a CIDR, an address, or `default` for IPv4. */
export interface RouteObject {
  readonly kind: 'route';
  readonly destination: string;
  readonly via?: string;
  readonly link?: string;
  /** True where no address of the link covers the gateway. */
  readonly onlink?: true;
}

/** A permanent neighbour. */
export interface NeighbourObject {
  readonly kind: 'neighbour';
  readonly link: string;
  readonly address: string;
  readonly mac: string;
}

/** A permanent entry of a tunnel device's forwarding database: frames to `mac` go to the host `to`. */
export interface ForwardingObject {
  readonly kind: 'forwarding';
  readonly link: string;
  readonly mac: string;
  readonly to: string;
}

/** `up`: the link is enabled. `no-link-local`: it gets no IPv6 link-local address. */
interface LinkState {
  readonly kind: 'up' | 'no-link-local';
  readonly link: string;
}

/** The private key of a WireGuard link, by the file that has it, and its port. */
export interface WireguardObject {
  readonly kind: 'wireguard';
  readonly link: string;
  readonly port: number;
  readonly keyFile: string;
  /** Of the key in the file; absent where it is not known yet. */
  readonly publicKey?: string;
}

/** A peer of a WireGuard link. */
export interface WireguardPeerObject {
  readonly kind: 'wireguard-peer';
  readonly link: string;
  readonly publicKey: string;
  readonly endpoint: { readonly address: string; readonly port: number };
  /** CIDRs: what is sent to the peer, and accepted from it. */
  readonly allowed: readonly string[];
  /** Seconds; absent is never. */
  readonly keepaliveS?: number;
  readonly presharedKey?: Secret;
}

interface SettingObject {
  readonly kind: 'setting';
  readonly key: string;
  readonly value: string;
}

/**
 * What a network consists of in the kernel. A study prints it as commands of iproute2, which it journals; the node agent compares it
 * with the kernel's state and applies the difference.
 */
export type KernelObject =
  | LinkObject
  | AddressObject
  | RouteObject
  | NeighbourObject
  | ForwardingObject
  | WireguardObject
  | WireguardPeerObject
  | LinkState
  | SettingObject;
