import { readFileSync } from 'node:fs';
import { libc } from './libc.js';

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
    mask: wordHex(maskBytes(Number(prefix))),
  };
  const [, ...rows] = readFileSync('/proc/thread-self/net/route', 'latin1').split('\n');
  return rows.some((row) => {
    const columns = row.split('\t');
    return columns[1] === wanted.address && columns[7] === wanted.mask;
  });
}

const maskBytes = (prefix: number): number[] =>
  [0, 8, 16, 24].map((bit) => 256 - 2 ** (8 - Math.min(8, Math.max(0, prefix - bit))));

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
