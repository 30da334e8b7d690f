import { singleOf } from '../../network/index.js';
import type { KeyValue } from '../etcd/wire.js';
import { parseLeaseKey, parseLeaseValue, type Lease, type LeaseAttributes, type Subnets } from './lease.js';
import { hasHostBits, printPrefix } from './prefix.js';

/** A key below `subnets/`, parsed once. */
export interface LeaseEntry {
  /** The key without its prefix. */
  readonly name: string;
  readonly pair: KeyValue;
  /** Null when the key is not one of flannel. */
  readonly subnets: Subnets | null;
  readonly attributes: LeaseAttributes | null;
  readonly problem: LeaseProblem | null;
  /** One object as long as the key does not change, so that a reader of snapshots sees what has. */
  readonly lease: Lease | null;
}

/** Why a lease, or a part of it, is ignored. */
export type LeaseProblem =
  | {
      readonly kind:
        'not-a-subnet' | 'not-json' | 'no-public-ip' | 'host-bits' | 'too-small' | 'outside-network';
    }
  /** An older lease has some of its addresses. `ipv6-overlap`: only of its IPv6 subnet; the rest of it is used. */
  | { readonly kind: 'overlap' | 'ipv6-overlap'; readonly with: string };

/** A key that is read for the first claim is parsed once for it and for the table. */
export function parseEntry(pair: KeyValue, prefix: string): LeaseEntry {
  const known = parsedEntries.get(pair);
  if (known !== undefined) return known;
  const entry = parse(pair, prefix);
  parsedEntries.set(pair, entry);
  return entry;
}
const parsedEntries = new WeakMap<KeyValue, LeaseEntry>();

function parse(pair: KeyValue, prefix: string): LeaseEntry {
  const name = pair.key.slice(prefix.length);
  const subnets = parseLeaseKey(name);
  const value = parseLeaseValue(pair.value);
  const attributes = value.ok ? value.attributes : null;
  const lease = subnets === null || attributes === null ? null : leaseOf(subnets, attributes);
  const entry = { name, pair, subnets, attributes, lease };
  if (subnets === null) return { ...entry, problem: { kind: 'not-a-subnet' } };
  const prefixes = [subnets.ipv4, ...(subnets.ipv6 === null ? [] : [subnets.ipv6])];
  if (prefixes.some(hasHostBits)) return { ...entry, problem: { kind: 'host-bits' } };
  // A subnet holds its own address, a gateway and a container.
  if (prefixes.some(({ version, length }) => singleOf(version) - length < 2))
    return { ...entry, problem: { kind: 'too-small' } };
  return { ...entry, problem: value.ok ? null : { kind: value.problem } };
}

export const leaseOf = ({ ipv4, ipv6 }: Subnets, attributes: LeaseAttributes): Lease => ({
  subnet: printPrefix(ipv4),
  ipv6Subnet: ipv6 === null ? null : printPrefix(ipv6),
  attributes,
});
