import { readFileSync, closeSync, readSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { libc, lastErrno, SyscallError } from './libc.js';
import { inScratchNetns } from './netns.js';

const ifNameToIndex: (name: string) => number = libc.func('uint if_nametoindex(const char *name)');

/** True when this thread's namespace has a link of that name. */
export const linkExists = (name: string): boolean => ifNameToIndex(name) !== 0;

/**
 * True when this thread's namespace has a route to exactly that destination (`a.b.c.d/p`, `x::/p`, or
 * `default` for IPv4) in its main table.
 */
export const routeExists = (destination: string): boolean =>
  destination.includes(':') ? route6Exists(destination) : route4Exists(destination);

function route4Exists(destination: string): boolean {
  const [address = '', prefix = '32'] = (destination === 'default' ? '0.0.0.0/0' : destination).split('/');
  const wanted = {
    address: wordHex(address.split('.').map(Number)),
    mask: wordHex(
      [0, 8, 16, 24].map((bit) => 256 - 2 ** (8 - Math.min(8, Math.max(0, Number(prefix) - bit)))),
    ),
  };
  const [, ...rows] = readFileSync('/proc/thread-self/net/route', 'latin1').split('\n');
  return rows.some((row) => {
    const columns = row.split('\t');
    return columns[1] === wanted.address && columns[7] === wanted.mask;
  });
}

/**
 * As /proc/net/route prints it: the four bytes in network order, read as one word by a little-endian machine.
 */
const wordHex = (bytes: readonly number[]): string => hex([...bytes].reverse()).toUpperCase();

function route6Exists(destination: string): boolean {
  const [address = '', prefix = '128'] = destination.split('/');
  const wanted = `${addressHex(address)} ${hex([Number(prefix)])} `;
  const rows = readFileSync('/proc/thread-self/net/ipv6_route', 'latin1').split('\n');
  return rows.some((row) => row.startsWith(wanted) && !isKernels(row.split(/ +/)));
}

/** RTF_LOCAL: an address of this host, from the table `local`, which the file also contains. */
const LOCAL = 0x80000000;
/** The metric of the entry that means "no route". */
const LAST_METRIC = 'ffffffff';

const isKernels = (columns: readonly string[]): boolean =>
  columns[5] === LAST_METRIC || (parseInt(columns[8] ?? '', 16) & LOCAL) !== 0;

/** The thirty-two digits of an IPv6 address. */
function addressHex(address: string): string {
  const [head = '', tail] = address.split('::');
  const words = (part: string): string[] => part.split(':').filter(Boolean);
  const missing = 8 - words(head).length - words(tail ?? '').length;
  const all = [
    ...words(head),
    ...Array<string>(tail === undefined ? 0 : missing).fill('0'),
    ...words(tail ?? ''),
  ];
  return all.map((word) => word.padStart(4, '0').toLowerCase()).join('');
}

const hex = (bytes: readonly number[]): string =>
  bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');

const socket: (family: number, type: number, protocol: number) => number = libc.func(
  'int socket(int family, int type, int protocol)',
);
const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_ROUTE = 0;

/** Three results: an inconclusive probe must not count as a no. */
export type LinkTypeResult =
  { readonly answer: 'yes' } | { readonly answer: 'no' | 'unknown'; readonly reason: string };

/**
 * Requests a link of each type from the kernel, in a temporary namespace. The kernel may load the type's
 * module, as it would for `ip link add`. Without root every result is `unknown`.
 */
export function probeLinkTypes(types: readonly string[]): readonly LinkTypeResult[] {
  try {
    return inScratchNetns(() => types.map(probeHere));
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return types.map(() => ({ answer: 'unknown', reason: `no namespace for the probe: ${error.message}` }));
  }
}

function probeHere(type: string): LinkTypeResult {
  const fd = socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) throw new SyscallError('socket', lastErrno());
  try {
    writeSync(fd, newLinkMessage(type));
    const reply = Buffer.alloc(4096);
    readSync(fd, reply);
    // struct nlmsgerr: the error follows the header of 16 bytes.
    const errno = -reply.readInt32LE(16);
    if (KNOWN.has(errno)) return { answer: 'yes' };
    // net/core/rtnetlink.c, rtnl_newlink: no type of that name, with or without loading a module.
    if (errno === EOPNOTSUPP) return { answer: 'no', reason: `this kernel has no links of type ${type}` };
    return { answer: 'unknown', reason: new SyscallError(`probe of link type ${type}`, errno).message };
  } finally {
    closeSync(fd);
  }
}

const { EOPNOTSUPP, EINVAL, ENODEV, EEXIST, ERANGE, EADDRNOTAVAIL } = constants.errno;
/** Errors that a type's own code returns for the attributes that the probe omits: the type exists. */
const KNOWN = new Set([0, EINVAL, ENODEV, EEXIST, ERANGE, EADDRNOTAVAIL]);

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
