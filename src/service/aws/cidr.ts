import { isIPv4 } from 'node:net';
import { userError } from '../../schema/index.js';

/** A range of IPv4 addresses; `first` and `last` are numbers. */
export interface Ipv4Range {
  readonly first: number;
  readonly last: number;
}

const toNumber = (address: string): number =>
  address.split('.').reduce((number, byte) => number * 256 + Number(byte), 0);

/** Throws `bad-input` unless the text is an IPv4 range like `10.50.0.0/16`. */
export function parseRange(text: string): Ipv4Range {
  const [address = '', prefix = ''] = text.split('/');
  const length = Number(prefix);
  if (!isIPv4(address) || !/^\d+$/.test(prefix) || length > 32)
    throw userError(`Not an IPv4 range: \`${text}\`.`, 'Write it as `10.50.0.0/16`.');
  const size = 2 ** (32 - length);
  const first = Math.floor(toNumber(address) / size) * size;
  return { first, last: first + size - 1 };
}

export const isInside = (inner: Ipv4Range, outer: Ipv4Range): boolean =>
  inner.first >= outer.first && inner.last <= outer.last;

export const rangesOverlap = (one: Ipv4Range, other: Ipv4Range): boolean =>
  one.first <= other.last && other.first <= one.last;

export const printAddress = (number: number): string =>
  [24, 16, 8, 0].map((bits) => Math.floor(number / 2 ** bits) % 256).join('.');
