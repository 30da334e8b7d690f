import type {
  AddressObject,
  ForwardingObject,
  LinkObject,
  NeighbourObject,
  RouteObject,
} from '../schema/index.js';
import { addressBytes, macBytes } from './ip-bytes.js';
import { Message, NLM } from './netlink.js';

/** Types of messages (linux/rtnetlink.h). */
export const RTM = {
  newLink: 16,
  delLink: 17,
  getLink: 18,
  newAddress: 20,
  delAddress: 21,
  getAddress: 22,
  newRoute: 24,
  delRoute: 25,
  getRoute: 26,
  newNeighbour: 28,
  delNeighbour: 29,
  getNeighbour: 30,
} as const;

export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_BRIDGE = 7;
const familyOf = (address: string): number => (address.includes(':') ? AF_INET6 : AF_INET);

/** linux/if_link.h */
export const IFLA = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  master: 10,
  linkInfo: 18,
  alias: 20,
  afSpec: 26,
  netnsFd: 28,
} as const;
export const IFLA_INFO_KIND = 1;
export const IFLA_INFO_DATA = 2;
export const IFF_UP = 1;
export const VXLAN = { id: 1, link: 3, local: 4, learning: 7, port: 15, local6: 17 } as const;
const VETH_INFO_PEER = 1;
export const IPVLAN_MODE = 1;
export const IPVLAN_MODES = ['l2', 'l3', 'l3s'] as const;
const MACVLAN_MODE = 1;
const MACVLAN_MODE_BRIDGE = 4;
const IPTUN = { link: 1, local: 2, ttl: 4, pmtudisc: 10 } as const;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IN6_ADDR_GEN_MODE_NONE = 1;

/** linux/if_addr.h */
export const IFA = { address: 1, local: 2, flags: 8 } as const;
const IFA_F_NODAD = 2;
/** linux/rtnetlink.h */
export const RTA = { destination: 1, outLink: 4, gateway: 5, table: 15 } as const;
export const RT_TABLE_MAIN = 254;
export const RTN_UNICAST = 1;
export const RTNH_F_ONLINK = 4;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
/** linux/neighbour.h */
export const NDA = { destination: 1, mac: 2 } as const;
const NTF_SELF = 2;
export const NUD_PERMANENT = 0x80;

const u8 = (value: number): Uint8Array => Uint8Array.of(value);
const u16 = (value: number): Uint8Array => new Uint8Array(Uint16Array.of(value).buffer);
const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
const beU16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);
const text = (value: string): Uint8Array => Buffer.from(`${value}\0`);

/** Asks for one link by its name. */
export const getLink = (name: string): Message =>
  new Message(RTM.getLink, 0).raw(ifInfo(0)).attribute(IFLA.name, text(name));

/** The index of a link by its name in the socket's namespace; 0 when there is none. */
export type IndexOf = (name: string) => number;

/** struct ifinfomsg */
function ifInfo(index: number, flags = 0, changed = 0): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeInt32LE(index, 4);
  bytes.writeUInt32LE(flags, 8);
  bytes.writeUInt32LE(changed, 12);
  return bytes;
}

/** The namespaces in which the ends of a link are created, as open files; null is the socket's own. */
export interface LinkPlaces {
  readonly own: number | null;
  readonly peer: number | null;
}

/** Creates a link. One in another namespace has its temporary name there. */
export function newLink(link: LinkObject, indexOf: IndexOf, { own, peer }: LinkPlaces): Message {
  const message = new Message(RTM.newLink, NLM.create | NLM.excl);
  const up = link.up === true ? IFF_UP : 0;
  message.raw(ifInfo(0, up, up));
  message.attribute(IFLA.name, text('createdAs' in link ? link.createdAs : link.name));
  if (link.mac !== undefined) message.attribute(IFLA.address, macBytes(link.mac));
  if (link.mtu !== undefined) message.attribute(IFLA.mtu, u32(link.mtu));
  if (link.master !== undefined) message.attribute(IFLA.master, u32(indexOf(link.master)));
  if (link.type === 'ipvlan' || link.type === 'macvlan') message.attribute(IFLA.link, u32(indexOf(link.dev)));
  if (own !== null) message.attribute(IFLA.netnsFd, u32(own));
  return message.nested(IFLA.linkInfo, () => {
    message.attribute(IFLA_INFO_KIND, text(link.type));
    message.nested(IFLA_INFO_DATA, () => writeLinkData(message, link, indexOf, peer));
  });
}

function writeLinkData(message: Message, link: LinkObject, indexOf: IndexOf, peer: number | null): void {
  switch (link.type) {
    case 'bridge':
    case 'wireguard':
      return;
    case 'vxlan': {
      const { vni, port, dev, local } = link;
      message.attribute(VXLAN.id, u32(vni)).attribute(VXLAN.link, u32(indexOf(dev)));
      message.attribute(local.includes(':') ? VXLAN.local6 : VXLAN.local, addressBytes(local));
      message.attribute(VXLAN.learning, u8(0)).attribute(VXLAN.port, beU16(port));
      return;
    }
    case 'ipip':
      message.attribute(IPTUN.link, u32(indexOf(link.dev))).attribute(IPTUN.local, addressBytes(link.local));
      message.attribute(IPTUN.pmtudisc, u8(1));
      return;
    case 'veth':
      message.nested(VETH_INFO_PEER, () => {
        message.raw(ifInfo(0));
        message.attribute(IFLA.name, text(link.peer.name)).attribute(IFLA.mtu, u32(link.peer.mtu));
        if (link.peer.mac !== undefined) message.attribute(IFLA.address, macBytes(link.peer.mac));
        if (peer !== null) message.attribute(IFLA.netnsFd, u32(peer));
      });
      return;
    case 'ipvlan':
      message.attribute(IPVLAN_MODE, u16(IPVLAN_MODES.indexOf(link.mode)));
      return;
    case 'macvlan':
      message.attribute(MACVLAN_MODE, u32(MACVLAN_MODE_BRIDGE));
  }
}

export interface LinkChange {
  readonly name?: string;
  readonly up?: boolean;
  readonly mtu?: number;
  readonly mac?: string;
  readonly alias?: string;
  readonly noLinkLocal?: boolean;
}

/** Changes a link that exists. */
export function setLink(index: number, change: LinkChange): Message {
  const { name, up, mtu, mac, alias, noLinkLocal } = change;
  const message = new Message(RTM.newLink, 0);
  message.raw(up === undefined ? ifInfo(index) : ifInfo(index, up ? IFF_UP : 0, IFF_UP));
  if (name !== undefined) message.attribute(IFLA.name, text(name));
  if (mtu !== undefined) message.attribute(IFLA.mtu, u32(mtu));
  if (mac !== undefined) message.attribute(IFLA.address, macBytes(mac));
  if (alias !== undefined) message.attribute(IFLA.alias, Buffer.from(alias));
  if (noLinkLocal === true)
    message.nested(IFLA.afSpec, () => {
      message.nested(AF_INET6, () => {
        message.attribute(IFLA_INET6_ADDR_GEN_MODE, u8(IN6_ADDR_GEN_MODE_NONE));
      });
    });
  return message;
}

export const delLink = (index: number): Message => new Message(RTM.delLink, 0).raw(ifInfo(index));

const single = (address: string): number => (address.includes(':') ? 128 : 32);

function splitCidr(cidr: string): { readonly address: string; readonly prefix: number } {
  if (cidr === 'default') return { address: '0.0.0.0', prefix: 0 };
  const [address = '', prefix] = cidr.split('/');
  return { address, prefix: prefix === undefined ? single(address) : Number(prefix) };
}

/** An address without duplicate address detection, so that it is usable at once. */
export function changeAddress(
  verb: 'add' | 'remove',
  { link, address: cidr }: AddressObject,
  indexOf: IndexOf,
): Message {
  const { address, prefix } = splitCidr(cidr);
  // struct ifaddrmsg
  const body = Buffer.alloc(8);
  body.set([familyOf(address), prefix]);
  body.writeUInt32LE(indexOf(link), 4);
  const bytes = addressBytes(address);
  const message = new Message(
    verb === 'add' ? RTM.newAddress : RTM.delAddress,
    verb === 'add' ? NLM.create | NLM.replace : 0,
  );
  message.raw(body).attribute(IFA.local, bytes).attribute(IFA.address, bytes);
  return verb === 'add' && bytes.length === 16 ? message.attribute(IFA.flags, u32(IFA_F_NODAD)) : message;
}

/** A route of the main table, marked with a protocol number. Adding replaces a route to the same destination. */
export function changeRoute(
  verb: 'add' | 'remove',
  { destination, via, link, onlink }: RouteObject,
  indexOf: IndexOf,
  protocol: number,
): Message {
  const { address, prefix } = splitCidr(destination);
  const remove = verb === 'remove';
  // struct rtmsg
  const body = Buffer.alloc(12);
  const scope = via === undefined ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  body.set([familyOf(address), prefix, 0, 0, RT_TABLE_MAIN, protocol, remove ? RT_SCOPE_UNIVERSE : scope]);
  body[7] = RTN_UNICAST;
  if (onlink === true) body.writeUInt32LE(RTNH_F_ONLINK, 8);
  // A scope of a route that is removed: 255 stands for any.
  if (remove) body[6] = 255;
  const message = new Message(remove ? RTM.delRoute : RTM.newRoute, remove ? 0 : NLM.create | NLM.replace);
  message.raw(body);
  if (prefix > 0) message.attribute(RTA.destination, addressBytes(address));
  if (via !== undefined) message.attribute(RTA.gateway, addressBytes(via));
  if (link !== undefined) message.attribute(RTA.outLink, u32(indexOf(link)));
  return message;
}

/** struct ndmsg */
function neighbourBody(family: number, index: number, state: number, flags: number): Buffer {
  const body = Buffer.alloc(12);
  body[0] = family;
  body.writeInt32LE(index, 4);
  body.writeUInt16LE(state, 8);
  body[10] = flags;
  return body;
}

const neighbourMessage = (verb: 'add' | 'remove'): Message =>
  verb === 'add' ? new Message(RTM.newNeighbour, NLM.create | NLM.replace) : new Message(RTM.delNeighbour, 0);

export const changeNeighbour = (
  verb: 'add' | 'remove',
  { link, address, mac }: NeighbourObject,
  indexOf: IndexOf,
): Message =>
  neighbourMessage(verb)
    .raw(neighbourBody(familyOf(address), indexOf(link), NUD_PERMANENT, 0))
    .attribute(NDA.destination, addressBytes(address))
    .attribute(NDA.mac, macBytes(mac));

export const changeForwarding = (
  verb: 'add' | 'remove',
  { link, mac, to }: ForwardingObject,
  indexOf: IndexOf,
): Message =>
  neighbourMessage(verb)
    .raw(neighbourBody(AF_BRIDGE, indexOf(link), NUD_PERMANENT, NTF_SELF))
    .attribute(NDA.mac, macBytes(mac))
    .attribute(NDA.destination, addressBytes(to));
