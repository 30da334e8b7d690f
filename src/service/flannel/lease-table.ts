import { singleOf } from '../../network/index.js';
import type { WatchEvent } from '../etcd/watch.js';
import type { KeyValue, RangeResult } from '../etcd/wire.js';
import { parseLeaseKey, parseLeaseValue, type Lease, type LeaseAttributes, type Subnets } from './lease.js';
import type { NetworkConfig } from './network-config.js';
import { contains, firstOf, hasHostBits, lastOf, parsePrefix, printPrefix, type IpPrefix } from './prefix.js';

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

/** Why a lease is ignored. */
type LeaseProblem =
  | {
      readonly kind:
        'not-a-subnet' | 'not-json' | 'no-public-ip' | 'host-bits' | 'too-small' | 'outside-network';
    }
  /** An older lease has some of its addresses. */
  | { readonly kind: 'overlap'; readonly with: string };

interface IgnoredLease {
  /** The key without its prefix. */
  readonly name: string;
  readonly problem: LeaseProblem;
}

/** The complete set of leases at a revision. */
export interface LeaseSnapshot {
  readonly revision: bigint;
  readonly config: NetworkConfig;
  readonly leases: readonly Lease[];
  readonly ignored: readonly IgnoredLease[];
  /** What has changed since the last delivery, if it is only attributes of leases that stay; null for anything else. */
  readonly changed: readonly Lease[] | null;
}

export function parseEntry(pair: KeyValue, prefix: string): LeaseEntry {
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

/** The keys below `subnets/`: a range with the events since. */
export class LeaseTable {
  readonly #prefix: string;
  readonly #entries = new Map<string, LeaseEntry>();
  #revision = 0n;
  /** Keys whose attributes have changed since the last delivery; null when more has. */
  #changed: Set<string> | null = null;
  #lastConfig: NetworkConfig | null = null;
  /** Kept until a key is created or deleted: most changes are of attributes. */
  #overlaps: ReadonlyMap<string, string> | null = null;
  /** Whether entries are inside the network of a config: thousands are asked for each snapshot. */
  #inside: { readonly config: NetworkConfig; readonly known: WeakMap<LeaseEntry, boolean> } | null = null;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  get revision(): bigint {
    return this.#revision;
  }

  replace({ revision, entries }: RangeResult): void {
    this.#entries.clear();
    for (const pair of entries) this.#entries.set(pair.key, parseEntry(pair, this.#prefix));
    this.#revision = revision;
    this.#overlaps = null;
    this.#changed = null;
  }

  apply(events: readonly WatchEvent[]): void {
    for (const { type, entry } of events) {
      const before = this.#entries.get(entry.key);
      if (type === 'DELETE') this.#entries.delete(entry.key);
      else this.#entries.set(entry.key, parseEntry(entry, this.#prefix));
      const usable = type === 'PUT' && this.#entries.get(entry.key)?.problem === null;
      if (usable !== (before?.problem === null) || before?.pair.createRevision !== entry.createRevision) {
        this.#overlaps = null;
        this.#changed = null;
      } else this.#changed?.add(entry.key);
      this.#revision = entry.modRevision;
    }
  }

  find(name: string): KeyValue | null {
    return this.#entries.get(`${this.#prefix}${name}`)?.pair ?? null;
  }

  /** The complete set, for a reader that has received none. */
  snapshot(config: NetworkConfig): LeaseSnapshot {
    return this.#snapshot(config, null);
  }

  /** The next snapshot for readers that have received the one before. */
  deliver(config: NetworkConfig): LeaseSnapshot {
    const keys = this.#lastConfig === config ? this.#changed : null;
    this.#changed = new Set();
    this.#lastConfig = config;
    return this.#snapshot(config, keys);
  }

  #snapshot(config: NetworkConfig, keys: ReadonlySet<string> | null): LeaseSnapshot {
    const entries = [...this.#entries.values()];
    const overlaps = (this.#overlaps ??= findOverlaps(entries.filter(({ problem }) => problem === null)));
    const judge = (entry: LeaseEntry): Lease | LeaseProblem | null => {
      const older = overlaps.get(entry.name);
      if (entry.problem !== null) return entry.problem;
      if (!this.#isInside(entry, config)) return { kind: 'outside-network' };
      return older === undefined ? entry.lease : { kind: 'overlap', with: older };
    };
    const changed = keys === null ? null : entriesOf(this.#entries, keys).map(judge).filter(isLease);
    return new TableSnapshot({ revision: this.#revision, config, changed }, entries, judge);
  }

  #isInside(entry: LeaseEntry, config: NetworkConfig): boolean {
    if (this.#inside?.config !== config) this.#inside = { config, known: new WeakMap() };
    const { known } = this.#inside;
    const before = known.get(entry);
    if (before !== undefined) return before;
    const networks = [config.ipv4, config.ipv6].map((pool) => parsePrefix(pool?.network ?? ''));
    const inside = entry.subnets !== null && isInside(entry.subnets, networks);
    known.set(entry, inside);
    return inside;
  }
}

export const leaseOf = ({ ipv4, ipv6 }: Subnets, attributes: LeaseAttributes): Lease => ({
  subnet: printPrefix(ipv4),
  ipv6Subnet: ipv6 === null ? null : printPrefix(ipv6),
  attributes,
});

const isInside = ({ ipv4, ipv6 }: Subnets, [network4, network6]: readonly (IpPrefix | null)[]): boolean =>
  network4 !== null &&
  network4 !== undefined &&
  contains(network4, ipv4) &&
  // A node without IPv6 does not use a peer's.
  (ipv6 === null || network6 === null || network6 === undefined || contains(network6, ipv6));

/** The name of each lease that overlaps with an older one → the older one's. */
function findOverlaps(entries: readonly LeaseEntry[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const version of ['ipv4', 'ipv6'] as const) {
    const ranges = entries
      .flatMap(({ name, pair, subnets }) => {
        const prefix = subnets?.[version] ?? null;
        return prefix === null
          ? []
          : [{ name, age: pair.createRevision, first: firstOf(prefix), last: lastOf(prefix) }];
      })
      .sort((one, other) => (one.first < other.first ? -1 : one.first > other.first ? 1 : 0));
    let group: typeof ranges = [];
    let groupEnd = -1n;
    const settle = (): void => {
      if (group.length < 2) return;
      const kept: typeof ranges = [];
      // Several keys of one transaction have one revision: then the name decides, on every node alike.
      for (const range of group.sort(
        (one, other) => Number(one.age - other.age) || (one.name < other.name ? -1 : 1),
      )) {
        const older = kept.find(({ first, last }) => first <= range.last && range.first <= last);
        if (older === undefined) kept.push(range);
        else if (!found.has(range.name)) found.set(range.name, older.name);
      }
    };
    for (const range of ranges) {
      if (range.first > groupEnd) {
        settle();
        group = [];
      }
      group.push(range);
      if (range.last > groupEnd) groupEnd = range.last;
    }
    settle();
  }
  return found;
}

const entriesOf = (entries: ReadonlyMap<string, LeaseEntry>, keys: ReadonlySet<string>): LeaseEntry[] =>
  [...keys].flatMap((key) => entries.get(key) ?? []);

const isLease = (judged: Lease | LeaseProblem | null): judged is Lease =>
  judged !== null && 'subnet' in judged;

/** Sorts the leases of thousands of nodes only for a reader that wants all of them. */
class TableSnapshot implements LeaseSnapshot {
  readonly revision: bigint;
  readonly config: NetworkConfig;
  readonly changed: readonly Lease[] | null;
  readonly #entries: readonly LeaseEntry[];
  readonly #judge: (entry: LeaseEntry) => Lease | LeaseProblem | null;
  #sorted: Pick<LeaseSnapshot, 'leases' | 'ignored'> | null = null;

  constructor(
    { revision, config, changed }: Pick<LeaseSnapshot, 'revision' | 'config' | 'changed'>,
    entries: readonly LeaseEntry[],
    judge: (entry: LeaseEntry) => Lease | LeaseProblem | null,
  ) {
    this.revision = revision;
    this.config = config;
    this.changed = changed;
    this.#entries = entries;
    this.#judge = judge;
  }

  get leases(): readonly Lease[] {
    return this.#sort().leases;
  }

  get ignored(): readonly IgnoredLease[] {
    return this.#sort().ignored;
  }

  #sort(): Pick<LeaseSnapshot, 'leases' | 'ignored'> {
    if (this.#sorted !== null) return this.#sorted;
    const leases: Lease[] = [];
    const ignored: IgnoredLease[] = [];
    for (const entry of this.#entries) {
      const judged = this.#judge(entry);
      if (isLease(judged)) leases.push(judged);
      else if (judged !== null) ignored.push({ name: entry.name, problem: judged });
    }
    return (this.#sorted = { leases, ignored });
  }
}
