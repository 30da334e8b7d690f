import { readFileSync } from 'node:fs';
import { libc } from './libc.js';

const ifNameToIndex: (name: string) => number = libc.func('uint if_nametoindex(const char *name)');

/** True when this thread's namespace has a link of that name. */
export const linkExists = (name: string): boolean => ifNameToIndex(name) !== 0;

/** True when this thread's namespace has a route to exactly that IPv4 destination (`a.b.c.d/p` or `default`) in its main table. */
export function routeExists(destination: string): boolean {
  const wanted = parseDestination(destination);
  const [, ...rows] = readFileSync('/proc/thread-self/net/route', 'latin1').split('\n');
  return rows.some((row) => {
    const columns = row.split('\t');
    return columns[1] === wanted.address && columns[7] === wanted.mask;
  });
}

/** As /proc/net/route prints them: hexadecimal of the network-order words read on a little-endian machine. */
function parseDestination(destination: string): { address: string; mask: string } {
  const [address = '', prefix = '32'] = (destination === 'default' ? '0.0.0.0/0' : destination).split('/');
  const length = Number(prefix);
  const mask = [0, 8, 16, 24].map((bit) => 256 - 2 ** (8 - Math.min(8, Math.max(0, length - bit))));
  return { address: littleEndianHex(address.split('.').map(Number)), mask: littleEndianHex(mask) };
}

const littleEndianHex = (bytes: readonly number[]): string =>
  bytes
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .reverse()
    .join('')
    .toUpperCase();
