import type {
  AddressObject,
  ForwardingObject,
  LinkObject,
  NeighbourObject,
  RouteObject,
} from '../schema/index.js';
import { addressText, macText } from './ip-bytes.js';
import type { KernelWireguard, WireguardNetlink } from './wireguard.js';
import type { Netlink } from './netlink.js';
import { parseAttributes, type Attributes } from './netlink-attributes.js';
import {
  AF_BRIDGE,
  AF_INET,
  AF_INET6,
  IFA,
  IFF_UP,
  IFLA,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IPVLAN_MODE,
  IPVLAN_MODES,
  IPTUN,
  NDA,
  NUD_PERMANENT,
  RTA,
  RTM,
  RTN_UNICAST,
  RTNH_F_ONLINK,
  RT_TABLE_MAIN,
  VXLAN,
} from './rtnetlink.js';

/** A link as the kernel has it. */
export interface KernelLink {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  readonly mtu: number;
  readonly mac: string | null;
  /** Names in the same namespace; null where there is none, or it is in another one. */
  readonly master: string | null;
  readonly dev: string | null;
  readonly alias: string | null;
  /** `vxlan`, `veth`, …; null for a physical interface and for loopback. */
  readonly type: string | null;
  readonly vxlan: {
    readonly vni: number;
    readonly port: number;
    readonly local: string | null;
    readonly learning: boolean;
  } | null;
  /** The local address of an ipip link. */
  readonly ipipLocal: string | null;
  readonly ipvlanMode: Extract<LinkObject, { type: 'ipvlan' }>['mode'] | null;
}

/** `protocol`: who made the route (`rt_protos` of iproute2). */
type KernelRoute = RouteObject & { readonly protocol: number };

/** Every link and address, the unicast routes of the main table, and permanent neighbours and forwarding entries. */
export interface KernelState {
  readonly links: ReadonlyMap<string, KernelLink>;
  readonly addresses: readonly AddressObject[];
  readonly routes: readonly KernelRoute[];
  readonly neighbours: readonly NeighbourObject[];
  readonly forwarding: readonly ForwardingObject[];
  readonly wireguard: readonly KernelWireguard[];
}

const cString = (bytes: Buffer | undefined): string | null =>
  bytes === undefined ? null : bytes.toString('latin1').replace(/\0.*$/s, '');
const number = (bytes: Buffer | undefined): number => bytes?.readUInt32LE(0) ?? 0;
const ip = (bytes: Buffer | undefined): string | null => (bytes === undefined ? null : addressText(bytes));

export function readLinks(netlink: Netlink): ReadonlyMap<string, KernelLink> {
  const raw = netlink.dump(RTM.getLink, Buffer.alloc(16)).map((body) => ({
    index: body.readInt32LE(4),
    up: (body.readUInt32LE(8) & IFF_UP) !== 0,
    attributes: parseAttributes(body.subarray(16)),
  }));
  const names = new Map(
    raw.map(({ index, attributes }) => [index, cString(attributes.get(IFLA.name)) ?? '']),
  );
  return new Map(
    raw.map(({ index, up, attributes }) => {
      const link = describeLink(attributes, names);
      return [link.name, { ...link, index, up }];
    }),
  );
}

function describeLink(
  attributes: Attributes,
  names: ReadonlyMap<number, string>,
): Omit<KernelLink, 'index' | 'up'> {
  const mac = attributes.get(IFLA.address);
  const info = parseAttributes(attributes.get(IFLA.linkInfo) ?? Buffer.alloc(0));
  const type = cString(info.get(IFLA_INFO_KIND));
  const data = parseAttributes(info.get(IFLA_INFO_DATA) ?? Buffer.alloc(0));
  const below = type === 'vxlan' ? data.get(VXLAN.link) : attributes.get(IFLA.link);
  return {
    name: cString(attributes.get(IFLA.name)) ?? '',
    mtu: number(attributes.get(IFLA.mtu)),
    mac: mac?.length === 6 ? macText(mac) : null,
    master: names.get(number(attributes.get(IFLA.master))) ?? null,
    dev: names.get(number(below)) ?? null,
    alias: cString(attributes.get(IFLA.alias)),
    type,
    vxlan:
      type === 'vxlan'
        ? {
            vni: number(data.get(VXLAN.id)),
            port: data.get(VXLAN.port)?.readUInt16BE(0) ?? 0,
            local: ip(data.get(VXLAN.local) ?? data.get(VXLAN.local6)),
            learning: data.get(VXLAN.learning)?.[0] !== 0,
          }
        : null,
    ipipLocal: type === 'ipip' ? ip(data.get(IPTUN.local)) : null,
    ipvlanMode:
      type === 'ipvlan' ? (IPVLAN_MODES[data.get(IPVLAN_MODE)?.readUInt16LE(0) ?? -1] ?? null) : null,
  };
}

/** @param wireguard is called where there are WireGuard links */
export function readKernelState(netlink: Netlink, wireguard: () => WireguardNetlink): KernelState {
  const links = readLinks(netlink);
  const names = new Map([...links.values()].map(({ index, name }) => [index, name]));
  return {
    links,
    addresses: readAddresses(netlink, names),
    routes: [AF_INET, AF_INET6].flatMap((family) => readRoutes(netlink, names, family)),
    neighbours: [AF_INET, AF_INET6].flatMap((family) => readNeighbours(netlink, names, family)),
    forwarding: readForwarding(netlink, names),
    wireguard: [...links.values()]
      .filter(({ type }) => type === 'wireguard')
      .flatMap(({ name, index }) => wireguard().read(name, index) ?? []),
  };
}

type Names = ReadonlyMap<number, string>;

function readAddresses(netlink: Netlink, names: Names): AddressObject[] {
  return netlink.dump(RTM.getAddress, Buffer.alloc(8)).flatMap((body) => {
    const attributes = parseAttributes(body.subarray(8));
    // Of a point-to-point link, `address` is the peer's.
    const address = ip(attributes.get(IFA.local) ?? attributes.get(IFA.address));
    const link = names.get(body.readUInt32LE(4));
    if (address === null || link === undefined) return [];
    return [{ kind: 'address', link, address: `${address}/${body[1] ?? 0}` }];
  });
}

function readRoutes(netlink: Netlink, names: Names, family: number): KernelRoute[] {
  const request = Buffer.alloc(12);
  request[0] = family;
  return netlink.dump(RTM.getRoute, request).flatMap((body) => {
    const attributes = parseAttributes(body.subarray(12));
    const table = attributes.has(RTA.table) ? number(attributes.get(RTA.table)) : body[4];
    if (table !== RT_TABLE_MAIN || body[7] !== RTN_UNICAST) return [];
    const prefix = body[1] ?? 0;
    const link = names.get(number(attributes.get(RTA.outLink)));
    const via = ip(attributes.get(RTA.gateway));
    const address = ip(attributes.get(RTA.destination)) ?? (family === AF_INET ? '0.0.0.0' : '::');
    return [
      {
        kind: 'route',
        destination: `${address}/${prefix}`,
        ...(via !== null && { via }),
        ...(link !== undefined && { link }),
        ...((body.readUInt32LE(8) & RTNH_F_ONLINK) !== 0 && { onlink: true as const }),
        protocol: body[5] ?? 0,
      },
    ];
  });
}

function readNeighbours(netlink: Netlink, names: Names, family: number): NeighbourObject[] {
  const request = Buffer.alloc(12);
  request[0] = family;
  return netlink.dump(RTM.getNeighbour, request).flatMap((body) => {
    const attributes = parseAttributes(body.subarray(12));
    const address = ip(attributes.get(NDA.destination));
    const mac = attributes.get(NDA.mac);
    const link = names.get(body.readInt32LE(4));
    if ((body.readUInt16LE(8) & NUD_PERMANENT) === 0) return [];
    if (address === null || mac?.length !== 6 || link === undefined) return [];
    return [{ kind: 'neighbour', link, address, mac: macText(mac) }];
  });
}

function readForwarding(netlink: Netlink, names: Names): ForwardingObject[] {
  const request = Buffer.alloc(12);
  request[0] = AF_BRIDGE;
  return netlink.dump(RTM.getNeighbour, request).flatMap((body) => {
    const attributes = parseAttributes(body.subarray(12));
    const to = ip(attributes.get(NDA.destination));
    const mac = attributes.get(NDA.mac);
    const link = names.get(body.readInt32LE(4));
    if (to === null || mac?.length !== 6 || link === undefined) return [];
    return [{ kind: 'forwarding', link, mac: macText(mac), to }];
  });
}
