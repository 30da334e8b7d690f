import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { SyscallError } from './libc.js';
import { getLink, newLinkOf } from './link-messages.js';
import { Netlink } from './netlink.js';
import { inScratchNetns } from './netns.js';

/** True when this thread's namespace has a link of that name. */
export function linkExists(name: string): boolean {
  // Not by `if_nametoindex`: when there is none, the kernel runs modprobe twice in search of its driver.
  using netlink = new Netlink();
  return netlink.get(getLink(name)) instanceof Buffer;
}

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

/** Three results: an inconclusive probe must not count as a no. */
export type LinkTypeResult =
  { readonly answer: 'yes' } | { readonly answer: 'no' | 'unknown'; readonly reason: string };

/**
 * Requests a link of each type from the kernel, in a temporary namespace. The kernel may load the type's
 * module, as it would for `ip link add`; a module that would add a device to the machine is looked up instead.
 * Without root every result is `unknown`.
 */
export function probeLinkTypes(types: readonly string[]): readonly LinkTypeResult[] {
  try {
    return inScratchNetns(() =>
      types.map((type) => (waitsToAddDevice(type) ? { answer: 'yes' } : probeHere(type))),
    );
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return types.map(() => ({ answer: 'unknown', reason: `no namespace for the probe: ${error.message}` }));
  }
}

/** Types whose module adds a device to every namespace, which stays until the module is unloaded. */
const WITH_FALLBACK_DEVICE = new Set(['ipip', 'gre', 'ip6tnl', 'sit']);

/** True when a link of that type would load a module that adds a device. `root` has `lib/modules` and `sys`. */
export function waitsToAddDevice(type: string, root = '/', version = release()): boolean {
  if (!WITH_FALLBACK_DEVICE.has(type)) return false;
  const path = join(root, 'lib/modules', version, 'modules.alias');
  if (!existsSync(path)) return false;
  const module = new RegExp(`^alias rtnl-link-${type} (\\S+)$`, 'm').exec(readFileSync(path, 'utf8'))?.[1];
  return module !== undefined && !existsSync(join(root, 'sys/module', module));
}

function probeHere(type: string): LinkTypeResult {
  using netlink = new Netlink();
  const [error = null] = netlink.request([newLinkOf(type)]);
  if (error === null || KNOWN.has(error.errnoName)) return { answer: 'yes' };
  // net/core/rtnetlink.c, rtnl_newlink: no type of that name, with or without loading a module. EOPNOTSUPP has this name too.
  if (error.errnoName === 'ENOTSUP')
    return { answer: 'no', reason: `this kernel has no links of type ${type}` };
  return { answer: 'unknown', reason: `probe of link type ${type} failed: ${error.message}` };
}

/** Errors that a type's own code returns for the attributes that the probe omits: the type exists. */
const KNOWN: ReadonlySet<string> = new Set(['EINVAL', 'ENODEV', 'EEXIST', 'ERANGE', 'EADDRNOTAVAIL']);
