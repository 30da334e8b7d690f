import type { ContainerPlan, NetHost, Site, Underlay } from './types.js';

/**
 * Subnets of hosts: 198.19.INDEX.0/24, the upper half of the range that RFC 2544 keeps for benchmarks. The lower half is
 * left to the wires of testbeds.
 */
export const CLUSTER = '198.19.0.0/16';

const subnet = (host: NetHost): string => `198.19.${host.index}`;
export const subnetOf = (host: NetHost): string => `${subnet(host)}.0/24`;
/** The address of the host's tunnel device: flannel gives it the subnet's `.0`. */
export const tunnelAddress = (host: NetHost): string => `${subnet(host)}.0`;

/** Containers of a host on its own segment: 30 addresses each, host 1 at .33, host 2 at .65, and so on to host 6 of a /24. */
const SEGMENT_SLOTS = 32;

/** Where container `number` (1, 2, …) of the site's host goes. */
export function placeContainer(site: Site, number: number, underlay: Underlay): ContainerPlan {
  const { run, host } = site;
  const names = { netns: `bw-${run}-${host.name}-c${number}`, hostLink: `bw-${run}-c${number}` };
  const mtu = host.mtu - underlay.overheadBytes;
  if (underlay.addresses === 'segment') {
    const address = plus(firstOfSegment(host), host.index * SEGMENT_SLOTS + number);
    return { ...names, address, prefix: host.prefix, gateway: host.address, mtu };
  }
  return {
    ...names,
    address: `${subnet(host)}.${number + 1}`,
    prefix: 24,
    gateway: `${subnet(host)}.1`,
    mtu,
  };
}

function firstOfSegment(host: NetHost): number {
  const hostBits = 2 ** (32 - host.prefix);
  return Math.floor(toNumber(host.address) / hostBits) * hostBits;
}

const toNumber = (address: string): number =>
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
const plus = (first: number, offset: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor((first + offset) / 2 ** shift) % 256).join('.');

/** A locally administered unicast MAC that the same words always give (FNV-1a of them, after a first byte of 02). */
export function localMac(...words: readonly string[]): string {
  const bytes = [0, 1, 2, 3, 4].map((salt) => fnv1a(`${salt}/${words.join('/')}`) & 0xff);
  return [2, ...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash ^ (hash >>> 16)) >>> 0;
}
