import type { LinkObject } from '../schema/index.js';
import { addressBytes, macBytes } from './ip-bytes.js';
import { Message, NLM, zeros } from './netlink.js';
import { beU16, zeroTerminated, u16, u32, u8 } from './netlink-attributes.js';
import {
  RTM,
  AF_INET6,
  IFLA,
  IFLA_INFO_KIND,
  IFLA_INFO_DATA,
  IFF_UP,
  VXLAN,
  IPVLAN_MODE,
  IPVLAN_MODES,
  IPTUN,
  type IndexOf,
} from './rtnetlink.js';

/** linux/if_link.h, linux/veth.h */
const IFLA_INFO_SLAVE_KIND = 4;
const IFLA_INFO_SLAVE_DATA = 5;
const IFLA_BRPORT_MODE = 4;
const VETH_INFO_PEER = 1;
const MACVLAN_MODE = 1;
const MACVLAN_MODE_BRIDGE = 4;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IN6_ADDR_GEN_MODE_NONE = 1;

/** Asks for one link by its name. */
export const getLink = (name: string): Message =>
  new Message(RTM.getLink, 0).raw(ifInfo(0)).attribute(IFLA.name, zeroTerminated(name));

/** Asks for a new link of a type, by nothing but the name of the type. */
export function newLinkOf(type: string): Message {
  const message = new Message(RTM.newLink, NLM.create | NLM.excl).raw(ifInfo(0));
  return message.nested(IFLA.linkInfo, () => message.attribute(IFLA_INFO_KIND, zeroTerminated(type)));
}

/** struct ifinfomsg */
function ifInfo(index: number, flags = 0, changed = 0): Buffer {
  const bytes = zeros(16);
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
  message.attribute(IFLA.name, zeroTerminated('createdAs' in link ? link.createdAs : link.name));
  if (link.mac !== undefined) message.attribute(IFLA.address, macBytes(link.mac));
  if (link.mtu !== undefined) message.attribute(IFLA.mtu, u32(link.mtu));
  if (link.master !== undefined) message.attribute(IFLA.master, u32(indexOf(link.master)));
  if (link.type === 'ipvlan' || link.type === 'macvlan') message.attribute(IFLA.link, u32(indexOf(link.dev)));
  if (own !== null) message.attribute(IFLA.netnsFd, u32(own));
  return message.nested(IFLA.linkInfo, () => {
    message.attribute(IFLA_INFO_KIND, zeroTerminated(link.type));
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
        message.attribute(IFLA.name, zeroTerminated(link.peer.name)).attribute(IFLA.mtu, u32(link.peer.mtu));
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
  /** A port of a bridge sends packets back to where they came from: to a container that reaches itself by a port of the host. */
  readonly hairpin?: boolean;
  /** Links of a group are removed together. */
  readonly group?: number;
}

/** Changes a link that exists. */
export function setLink(index: number, change: LinkChange): Message {
  const { name, up, mtu, mac, alias, noLinkLocal, hairpin, group } = change;
  const message = new Message(RTM.newLink, 0);
  message.raw(up === undefined ? ifInfo(index) : ifInfo(index, up ? IFF_UP : 0, IFF_UP));
  if (name !== undefined) message.attribute(IFLA.name, zeroTerminated(name));
  if (mtu !== undefined) message.attribute(IFLA.mtu, u32(mtu));
  if (mac !== undefined) message.attribute(IFLA.address, macBytes(mac));
  if (alias !== undefined) message.attribute(IFLA.alias, Buffer.from(alias));
  if (group !== undefined) message.attribute(IFLA.group, u32(group));
  if (hairpin !== undefined)
    message.nested(IFLA.linkInfo, () => {
      message.attribute(IFLA_INFO_SLAVE_KIND, zeroTerminated('bridge'));
      message.nested(IFLA_INFO_SLAVE_DATA, () => {
        message.attribute(IFLA_BRPORT_MODE, u8(hairpin ? 1 : 0));
      });
    });
  if (noLinkLocal === true)
    message.nested(IFLA.afSpec, () => {
      message.nested(AF_INET6, () => {
        message.attribute(IFLA_INET6_ADDR_GEN_MODE, u8(IN6_ADDR_GEN_MODE_NONE));
      });
    });
  return message;
}

/** Sets the alias of a link by its name: also of one that the same batch creates. */
export const setAlias = (name: string, alias: string): Message =>
  new Message(RTM.newLink, 0)
    .raw(ifInfo(0))
    .attribute(IFLA.name, zeroTerminated(name))
    .attribute(IFLA.alias, Buffer.from(alias));

export const delLink = (index: number): Message => new Message(RTM.delLink, 0).raw(ifInfo(index));

export const delLinkGroup = (group: number): Message =>
  new Message(RTM.delLink, 0).raw(ifInfo(0)).attribute(IFLA.group, u32(group));
