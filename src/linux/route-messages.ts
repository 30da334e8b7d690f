import type { AddressObject, ForwardingObject, NeighbourObject, RouteObject } from '../schema/index.js';
import { addressBytes, macBytes } from './ip-bytes.js';
import { Message, NLM, zeros } from './netlink.js';
import { u32 } from './netlink-attributes.js';
import {
  RTM,
  AF_INET,
  AF_INET6,
  AF_BRIDGE,
  IFA,
  RTA,
  RT_TABLE_MAIN,
  RTN_UNICAST,
  RTNH_F_ONLINK,
  NDA,
  NUD_PERMANENT,
  type IndexOf,
} from './rtnetlink.js';

/** linux/if_addr.h, linux/rtnetlink.h, linux/neighbour.h */
const IFA_F_NODAD = 2;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const NTF_SELF = 2;

const familyOf = (address: string): number => (address.includes(':') ? AF_INET6 : AF_INET);
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
  const body = zeros(8);
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
  const body = zeros(12);
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

/** Asks which route leads to an address. */
export function getRoute(address: string): Message {
  // struct rtmsg
  const body = zeros(12);
  body.set([familyOf(address), single(address)]);
  return new Message(RTM.getRoute, 0).raw(body).attribute(RTA.destination, addressBytes(address));
}

/** struct ndmsg */
function neighbourBody(family: number, index: number, state: number, flags: number): Buffer {
  const body = zeros(12);
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
