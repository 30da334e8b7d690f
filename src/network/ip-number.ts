import { versionOf, type IpVersion } from './ip-version.js';

/** The address as the number that its bits are. */
export const addressToNumber = (address: string): bigint =>
  versionOf(address) === 4
    ? BigInt(address.split('.').reduce((sum, part) => 256 * sum + Number(part), 0))
    : joinBits(
        groupsOf(address).map((group) => parseInt(group, 16)),
        16n,
      );

const joinBits = (parts: readonly number[], bits: bigint): bigint =>
  parts.reduce((sum, part) => (sum << bits) + BigInt(part), 0n);

/** All eight groups of an IPv6 address. */
function groupsOf(address: string): string[] {
  const [head = '', tail] = address.split('::');
  const words = (part = ''): string[] => part.split(':').filter(Boolean);
  const zeros = 8 - words(head).length - words(tail).length;
  return [...words(head), ...Array<string>(zeros).fill('0'), ...words(tail)];
}

/** As Go and RFC 5952 print it. */
export const numberToAddress = (value: bigint, version: IpVersion): string =>
  version === 4
    ? [24, 16, 8, 0].map((shift) => (Number(value) >>> shift) & 0xff).join('.')
    : shortenIpv6([112n, 96n, 80n, 64n, 48n, 32n, 16n, 0n].map((shift) => (value >> shift) & 0xffffn));

/** RFC 5952: the longest run of at least two zero groups becomes `::`. */
function shortenIpv6(groups: readonly bigint[]): string {
  const text = groups.map((group) => group.toString(16)).join(':');
  const runs = [...text.matchAll(/(?<![0-9a-f])0(?::0)+(?![0-9a-f])/g)];
  const longest = runs.toSorted(([one], [other]) => other.length - one.length)[0];
  if (longest === undefined) return text;
  const [zeros] = longest;
  return `${text.slice(0, longest.index).replace(/:$/, '')}::${text.slice(longest.index + zeros.length).replace(/^:/, '')}`;
}
