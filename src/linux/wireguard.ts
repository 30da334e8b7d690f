import { Secret, type WireguardObject, type WireguardPeerObject } from '../schema/index.js';
import { addressBytes, addressText } from './ip-bytes.js';
import { Message, NETLINK, Netlink, NetlinkError, NLM } from './netlink.js';
import { listAttributes, parseAttributes, u16, u32 } from './netlink-attributes.js';
import { AF_INET, AF_INET6 } from './rtnetlink.js';

/** linux/genetlink.h: the family that finds others by their names. */
const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR = { familyId: 1, familyName: 2 } as const;
const NLA_F_NESTED = 0x8000;

/** linux/wireguard.h */
const CMD = { get: 0, set: 1 } as const;
const DEVICE = { index: 1, privateKey: 3, publicKey: 4, port: 6, peers: 8 } as const;
const PEER = {
  publicKey: 1,
  presharedKey: 2,
  flags: 3,
  endpoint: 4,
  keepalive: 5,
  lastHandshake: 6,
  allowed: 9,
} as const;
const PEER_FLAGS = { remove: 1, replaceAllowed: 2 } as const;
const ALLOWED = { family: 1, address: 2, length: 3 } as const;
/** A session is refused when it is older (REJECT_AFTER_TIME in drivers/net/wireguard/messages.h). */
const SESSION_S = 180;

/** A key in base64 as 32 bytes; null for anything else. */
export function keyBytes(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === 32 && bytes.toString('base64') === text ? bytes : null;
}

/** A peer as the kernel has it. */
export interface KernelWireguardPeer extends WireguardPeerObject {
  /** It has authenticated itself so recently that its endpoint is where its packets come from. */
  readonly hasSession: boolean;
}

/** A WireGuard link as the kernel has it, without its private key. One without a private key has no public key. */
export interface KernelWireguard extends Omit<WireguardObject, 'keyFile'> {
  readonly peers: readonly KernelWireguardPeer[];
}

/** The generic netlink of WireGuard, in the namespace that this thread is in when it is opened. */
export class WireguardNetlink implements Disposable {
  readonly #netlink = new Netlink(NETLINK.generic);
  /** Of the family, which the module has as long as it is loaded. */
  #family = 0;

  request(messages: readonly Message[]): (NetlinkError | null)[] {
    return this.#netlink.request(messages);
  }

  /** Sets the port of a link, and its private key of 32 bytes. */
  setDevice(index: number, port: number, privateKey: Uint8Array): Message {
    return setDevice(this.#familyId(), index, port, privateKey);
  }

  changePeer(verb: 'add' | 'remove', index: number, peer: WireguardPeerObject): Message {
    return changePeer(this.#familyId(), verb, index, peer);
  }

  /** Null for a link that has gone in the meantime. */
  read(link: string, index: number): KernelWireguard | null {
    try {
      const request = start(this.#familyId(), CMD.get, NLM.dump).attribute(DEVICE.index, u32(index));
      return parseDevice(link, this.#netlink.dump(this.#familyId(), request.body), Date.now() / 1_000);
    } catch (error) {
      if (error instanceof NetlinkError) return null;
      throw error;
    }
  }

  /** The kernel loads the module for it where it can. */
  #familyId(): number {
    if (this.#family !== 0) return this.#family;
    const question = start(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
    const answer = this.#netlink.get(question.attribute(CTRL_ATTR.familyName, Buffer.from('wireguard\0')));
    if (answer instanceof NetlinkError) throw answer;
    return (this.#family = parseAttributes(answer.subarray(4)).get(CTRL_ATTR.familyId)?.readUInt16LE(0) ?? 0);
  }

  [Symbol.dispose](): void {
    this.#netlink[Symbol.dispose]();
  }
}

/** struct genlmsghdr: command, version 1. */
const start = (family: number, command: number, flags: number): Message =>
  new Message(family, flags).raw(Uint8Array.of(command, 1, 0, 0));

export const setDevice = (family: number, index: number, port: number, privateKey: Uint8Array): Message =>
  start(family, CMD.set, 0)
    .attribute(DEVICE.index, u32(index))
    .attribute(DEVICE.privateKey, privateKey)
    .attribute(DEVICE.port, u16(port));

/** One peer for each message: a nested attribute has 64 KiB at most. Adding replaces what the peer had. */
export function changePeer(
  family: number,
  verb: 'add' | 'remove',
  index: number,
  { publicKey, endpoint, allowed, keepaliveS, presharedKey }: WireguardPeerObject,
): Message {
  const message = start(family, CMD.set, 0).attribute(DEVICE.index, u32(index));
  const nest = (type: number, write: () => void): Message => message.nested(type | NLA_F_NESTED, write);
  return nest(DEVICE.peers, () => {
    nest(0, () => {
      message.attribute(PEER.publicKey, keyBytes(publicKey) ?? Buffer.alloc(32));
      if (verb === 'remove') {
        message.attribute(PEER.flags, u32(PEER_FLAGS.remove));
        return;
      }
      message.attribute(PEER.flags, u32(PEER_FLAGS.replaceAllowed));
      // Zeros remove the preshared key.
      message.attribute(PEER.presharedKey, keyBytes(presharedKey?.reveal() ?? '') ?? Buffer.alloc(32));
      message.attribute(PEER.endpoint, socketAddressBytes(endpoint));
      message.attribute(PEER.keepalive, u16(keepaliveS ?? 0));
      nest(PEER.allowed, () => {
        for (const cidr of allowed)
          nest(0, () => {
            const [address = '', length = ''] = cidr.split('/');
            const bytes = addressBytes(address);
            message.attribute(ALLOWED.family, u16(bytes.length === 4 ? AF_INET : AF_INET6));
            message
              .attribute(ALLOWED.address, bytes)
              .attribute(ALLOWED.length, Uint8Array.of(Number(length)));
          });
      });
    });
  });
}

/** struct sockaddr_in and sockaddr_in6 */
function socketAddressBytes({ address, port }: WireguardPeerObject['endpoint']): Buffer {
  const ip = addressBytes(address);
  const bytes = Buffer.alloc(ip.length === 4 ? 16 : 28);
  bytes.writeUInt16LE(ip.length === 4 ? AF_INET : AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(ip, ip.length === 4 ? 4 : 8);
  return bytes;
}

/** The messages of one dump. A peer that does not fit into one continues in the next, by its key and more allowed addresses. */
export function parseDevice(link: string, bodies: readonly Buffer[], nowS: number): KernelWireguard {
  let device: Omit<KernelWireguard, 'peers'> | null = null;
  const peers = new Map<string, KernelWireguardPeer>();
  for (const body of bodies) {
    // struct genlmsghdr
    const attributes = parseAttributes(body.subarray(4));
    const publicKey = attributes.get(DEVICE.publicKey)?.toString('base64');
    const port = attributes.get(DEVICE.port)?.readUInt16LE(0) ?? 0;
    device ??= { kind: 'wireguard', link, port, ...(publicKey !== undefined && { publicKey }) };
    for (const [, bytes] of listAttributes(attributes.get(DEVICE.peers) ?? Buffer.alloc(0))) {
      const peer = parsePeer(link, bytes, nowS);
      const known = peers.get(peer.publicKey);
      peers.set(
        peer.publicKey,
        known === undefined ? peer : { ...known, allowed: [...known.allowed, ...peer.allowed] },
      );
    }
  }
  return { ...(device ?? { kind: 'wireguard', link, port: 0 }), peers: [...peers.values()] };
}

function parsePeer(link: string, bytes: Buffer, nowS: number): KernelWireguardPeer {
  const attributes = parseAttributes(bytes);
  const keepaliveS = attributes.get(PEER.keepalive)?.readUInt16LE(0) ?? 0;
  const presharedKey = attributes.get(PEER.presharedKey);
  // struct __kernel_timespec
  const handshakeS = Number(attributes.get(PEER.lastHandshake)?.readBigInt64LE(0) ?? 0n);
  return {
    kind: 'wireguard-peer',
    link,
    publicKey: attributes.get(PEER.publicKey)?.toString('base64') ?? '',
    endpoint: parseSocketAddress(attributes.get(PEER.endpoint) ?? NO_ADDRESS),
    allowed: listAttributes(attributes.get(PEER.allowed) ?? Buffer.alloc(0)).map(([, each]) => {
      const parts = parseAttributes(each);
      const address = addressText(parts.get(ALLOWED.address) ?? Buffer.alloc(4));
      return `${address}/${parts.get(ALLOWED.length)?.[0] ?? 0}`;
    }),
    ...(keepaliveS !== 0 && { keepaliveS }),
    ...(presharedKey?.some((byte) => byte !== 0) === true && {
      presharedKey: new Secret(presharedKey.toString('base64')),
    }),
    hasSession: nowS - handshakeS < SESSION_S,
  };
}

/** Of a peer whose address is not known. */
const NO_ADDRESS = socketAddressBytes({ address: '0.0.0.0', port: 0 });

const parseSocketAddress = (bytes: Buffer): WireguardPeerObject['endpoint'] => ({
  address: addressText(bytes.readUInt16LE(0) === AF_INET ? bytes.subarray(4, 8) : bytes.subarray(8, 24)),
  port: bytes.readUInt16BE(2),
});
