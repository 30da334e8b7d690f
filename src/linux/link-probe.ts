import { closeSync, readSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { lastErrno, libc, SyscallError } from './libc.js';
import { inScratchNetns } from './netns.js';

const socket: (family: number, type: number, protocol: number) => number = libc.func(
  'int socket(int family, int type, int protocol)',
);
const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_ROUTE = 0;

/** Three results: an inconclusive probe must not count as a no. */
export type LinkTypeAnswer =
  { readonly answer: 'yes' } | { readonly answer: 'no' | 'unknown'; readonly reason: string };

/**
 * Requests a link of each type from the kernel, in a temporary namespace. The kernel may load the type's
 * module, as it would for `ip link add`. Without root every result is `unknown`.
 */
export function probeLinkTypes(types: readonly string[]): readonly LinkTypeAnswer[] {
  try {
    return inScratchNetns(() => types.map(probeHere));
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return types.map(() => ({ answer: 'unknown', reason: `no namespace for the probe: ${error.message}` }));
  }
}

function probeHere(type: string): LinkTypeAnswer {
  const fd = socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) throw new SyscallError('socket', lastErrno());
  try {
    writeSync(fd, newLinkMessage(type));
    const reply = Buffer.alloc(4096);
    readSync(fd, reply);
    // struct nlmsgerr: the error follows the header of 16 bytes.
    return judge(type, -reply.readInt32LE(16));
  } finally {
    closeSync(fd);
  }
}

const { EOPNOTSUPP, EINVAL, ENODEV, EEXIST, ERANGE, EADDRNOTAVAIL } = constants.errno;
/** Errors that a type's own code returns for the attributes that the probe omits: the type exists. */
const KNOWN = new Set([0, EINVAL, ENODEV, EEXIST, ERANGE, EADDRNOTAVAIL]);

function judge(type: string, errno: number): LinkTypeAnswer {
  if (KNOWN.has(errno)) return { answer: 'yes' };
  // net/core/rtnetlink.c, rtnl_newlink: no type of that name, with or without loading a module.
  if (errno === EOPNOTSUPP) return { answer: 'no', reason: `this kernel has no links of type ${type}` };
  return { answer: 'unknown', reason: new SyscallError(`probe of link type ${type}`, errno).message };
}

const RTM_NEWLINK = 16;
/** NLM_F_REQUEST, _ACK, _EXCL and _CREATE. */
const FLAGS = 0x1 | 0x4 | 0x200 | 0x400;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;

/** struct nlmsghdr, struct ifinfomsg, and the type's name as the only attribute. */
function newLinkMessage(type: string): Buffer {
  const body = Buffer.concat([
    Buffer.alloc(16),
    attribute(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, Buffer.from(`${type}\0`))),
  ]);
  const header = Buffer.alloc(16);
  header.writeUInt32LE(header.length + body.length, 0);
  header.writeUInt16LE(RTM_NEWLINK, 4);
  header.writeUInt16LE(FLAGS, 6);
  return Buffer.concat([header, body]);
}

/** struct rtattr: length and type, the value, and zeros up to the next multiple of four. */
function attribute(type: number, value: Buffer): Buffer {
  const length = 4 + value.length;
  const bytes = Buffer.alloc((length + 3) & ~3);
  bytes.writeUInt16LE(length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}
