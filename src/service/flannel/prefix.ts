import { isIP } from 'node:net';
import {
  addressToNumber,
  numberToAddress,
  singleOf,
  versionOf,
  type IpVersion,
} from '../../network/index.js';

/** A range of addresses, as CIDR notation writes it. */
export interface IpPrefix {
  readonly version: IpVersion;
  /** With the host's bits, if it has any. */
  readonly address: bigint;
  readonly length: number;
}

/** Null when the text is not an address, a slash and a length. */
export function parsePrefix(text: string): IpPrefix | null {
  const [, address = '', digits = ''] = /^([\d.]+|[\da-fA-F:]+)\/(\d{1,3})$/.exec(text) ?? [];
  if (isIP(address) === 0) return null;
  const version = versionOf(address);
  const length = Number(digits);
  return length > singleOf(version) ? null : { version, address: addressToNumber(address), length };
}

export const printPrefix = ({ version, address, length }: IpPrefix): string =>
  `${numberToAddress(address, version)}/${length}`;

/** The number of addresses in a prefix of that length. */
export const sizeOf = (version: IpVersion, length: number): bigint =>
  1n << BigInt(singleOf(version) - length);

export const firstOf = ({ version, address, length }: IpPrefix): bigint =>
  address - (address % sizeOf(version, length));
export const lastOf = (prefix: IpPrefix): bigint =>
  firstOf(prefix) + sizeOf(prefix.version, prefix.length) - 1n;
export const hasHostBits = (prefix: IpPrefix): boolean => firstOf(prefix) !== prefix.address;

export const withoutHostBits = (prefix: IpPrefix): IpPrefix => ({ ...prefix, address: firstOf(prefix) });

export const overlap = (one: IpPrefix, other: IpPrefix): boolean =>
  firstOf(one) <= lastOf(other) && firstOf(other) <= lastOf(one);

export const contains = (outer: IpPrefix, inner: IpPrefix): boolean =>
  firstOf(outer) <= firstOf(inner) && lastOf(inner) <= lastOf(outer);
