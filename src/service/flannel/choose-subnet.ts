import { addressToNumber, numberToAddress, type IpVersion } from '../../network/index.js';
import type { LeaseEntry } from './lease-entry.js';
import { printLeaseKey, type Subnets } from './lease.js';
import type { NetworkConfig, SubnetPool } from './network-config.js';
import { firstOf, lastOf, overlap, parsePrefix, sizeOf, type IpPrefix } from './prefix.js';

/** flannel picks at random among so many free subnets. */
const CANDIDATES = 100;

/** What the node had before. */
export interface PreviousLease {
  readonly subnets: Subnets;
  /** A key under this etcd lease is the node's, also when its address has changed since; null when it is not known. */
  readonly etcdLease: string | null;
}

/** The same as a node's files keep it. */
export interface PreviousSubnet {
  readonly subnet: string | null;
  readonly ipv6Subnet: string | null;
  readonly etcdLease?: string | null;
}

export function parsePrevious(previous: PreviousSubnet | null): PreviousLease | null {
  const ipv4 = parsePrefix(previous?.subnet ?? '');
  if (ipv4 === null) return null;
  const subnets = { ipv4, ipv6: parsePrefix(previous?.ipv6Subnet ?? '') };
  return { subnets, etcdLease: previous?.etcdLease ?? null };
}

interface ChoiceRequest {
  readonly config: NetworkConfig;
  readonly entries: readonly LeaseEntry[];
  readonly publicIp: string;
  readonly previous: PreviousLease | null;
  /** From 0 to below 1. */
  readonly random: () => number;
}

export interface SubnetChoice {
  readonly name: string;
  readonly subnets: Subnets;
  /** The lease to take over; null for a key to create. */
  readonly found: LeaseEntry | null;
  /** `kept`: a lease of the node; `previous`: the last subnet of the node, which was free. */
  readonly how: 'kept' | 'previous' | 'free';
}

/** The subnet that a node takes; null when no subnet is free. */
export function chooseSubnet(request: ChoiceRequest): SubnetChoice | null {
  const { config, entries, publicIp, previous, random } = request;
  const name = previous === null ? null : printLeaseKey(previous.subnets);
  const fitting = entries.flatMap((found) =>
    found.subnets !== null && fits(config, found.subnets) ? [{ ...found, subnets: found.subnets }] : [],
  );
  const former = fitting.filter((entry) => entry.name === name && entry.pair.lease === previous?.etcdLease);
  const own = fitting.filter(({ attributes }) => attributes?.publicIp === publicIp);
  // A key whose value cannot be read has no owner.
  const unreadable = fitting.filter((entry) => entry.attributes === null);
  const found =
    config.ipv4.isDelegated === true
      ? fitting[0]
      : ([...former, ...own, ...unreadable].find((entry) => entry.name === name) ?? own[0]);
  if (found !== undefined) return { name: found.name, subnets: found.subnets, found, how: 'kept' };
  const taken = entries.flatMap(({ subnets }) => (subnets === null ? [] : [subnets]));
  if (
    previous !== null &&
    name !== null &&
    fits(config, previous.subnets) &&
    !taken.some((each) => touches(each, previous.subnets))
  )
    return { name, subnets: previous.subnets, found: null, how: 'previous' };
  const ipv4 = pick(
    config.ipv4,
    4,
    taken.map((each) => each.ipv4),
    random,
  );
  const ipv6 =
    config.ipv6 === null
      ? null
      : pick(
          config.ipv6,
          6,
          taken.flatMap((each) => (each.ipv6 === null ? [] : [each.ipv6])),
          random,
        );
  if (ipv4 === null || (config.ipv6 !== null && ipv6 === null)) return null;
  return { name: printLeaseKey({ ipv4, ipv6 }), subnets: { ipv4, ipv6 }, found: null, how: 'free' };
}

/** The config for a node whose subnet is given: a lease of another node on it is out of date. */
export function withDelegated(config: NetworkConfig, prefix: IpPrefix): NetworkConfig {
  const address = numberToAddress(prefix.address, 4);
  const { length: subnetLength } = prefix;
  return {
    ...config,
    ipv4: { ...config.ipv4, subnetLength, subnetMin: address, subnetMax: address, isDelegated: true },
  };
}

/** Leases of the node itself that the config does not allow any more. */
export const misfits = ({ config, entries, publicIp }: ChoiceRequest): readonly LeaseEntry[] =>
  entries.filter(
    ({ attributes, subnets }) =>
      attributes?.publicIp === publicIp && subnets !== null && !fits(config, subnets),
  );

export function fits({ ipv4: pool4, ipv6: pool6 }: NetworkConfig, { ipv4, ipv6 }: Subnets): boolean {
  if (!isInPool(pool4, ipv4)) return false;
  return pool6 === null ? ipv6 === null : ipv6 !== null && isInPool(pool6, ipv6);
}

const isInPool = (pool: SubnetPool, prefix: IpPrefix): boolean =>
  prefix.length === pool.subnetLength &&
  prefix.address === firstOf(prefix) &&
  prefix.address >= addressToNumber(pool.subnetMin) &&
  prefix.address <= addressToNumber(pool.subnetMax);

const touches = (one: Subnets, other: Subnets): boolean =>
  overlap(one.ipv4, other.ipv4) ||
  (one.ipv6 !== null && other.ipv6 !== null && overlap(one.ipv6, other.ipv6));

/** A random one of the first free subnets. */
function pick(
  pool: SubnetPool,
  version: IpVersion,
  taken: readonly IpPrefix[],
  random: () => number,
): IpPrefix | null {
  const size = sizeOf(version, pool.subnetLength);
  const ranges = taken
    .map((prefix) => ({ first: firstOf(prefix), last: lastOf(prefix) }))
    .sort((one, other) => (one.first < other.first ? -1 : one.first > other.first ? 1 : 0));
  const free: bigint[] = [];
  const max = addressToNumber(pool.subnetMax);
  let next = 0;
  /** The last address that the ranges so far take. */
  let takenTo = -1n;
  for (let address = addressToNumber(pool.subnetMin); address <= max && free.length < CANDIDATES;) {
    for (
      let range = ranges[next];
      range !== undefined && range.first < address + size;
      range = ranges[++next]
    )
      if (range.last > takenTo) takenTo = range.last;
    if (takenTo < address) {
      free.push(address);
      address += size;
    } else {
      // The first subnet behind what is taken.
      address = (takenTo / size + 1n) * size;
    }
  }
  const address = free[Math.floor(random() * free.length)];
  return address === undefined ? null : { version, address, length: pool.subnetLength };
}
