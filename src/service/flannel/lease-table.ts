import type { WatchEvent } from '../etcd/watch.js';
import type { KeyValue, RangeResult } from '../etcd/wire.js';
import { parseEntry, type LeaseEntry, type LeaseProblem } from './lease-entry.js';
import type { Lease, Subnets } from './lease.js';
import type { NetworkConfig } from './network-config.js';
import { contains, firstOf, lastOf, parsePrefix, type IpPrefix } from './prefix.js';
import { PrefixSet } from './prefix-set.js';

export interface IgnoredLease {
  /** The key without its prefix. */
  readonly name: string;
  readonly problem: LeaseProblem;
}

/** Of each version of IP: the name of a lease that has addresses of an older one → the older one's. */
type Overlaps = Readonly<Record<keyof Subnets, ReadonlyMap<string, string>>>;

/** The complete set of leases at a revision. */
export interface LeaseSnapshot {
  readonly revision: bigint;
  readonly config: NetworkConfig;
  readonly leases: readonly Lease[];
  readonly ignored: readonly IgnoredLease[];
  /** What has changed since the last delivery; null when that is not known. */
  readonly changes: LeaseChanges | null;
}

export interface LeaseChanges {
  /** New ones, and those with other attributes. */
  readonly put: readonly Lease[];
  /** The subnets of those that are gone. */
  readonly removed: readonly string[];
}

/** The keys below `subnets/`: a range with the events since. */
export class LeaseTable {
  readonly #prefix: string;
  readonly #entries = new Map<string, LeaseEntry>();
  #revision = 0n;
  /** The keys that have changed since the last delivery, with the subnets that readers know of; null when any may have. */
  #changed: Map<string, string | null> | null = null;
  #lastConfig: NetworkConfig | null = null;
  /** Kept until a change that may concern it. */
  #overlaps: Overlaps | null = null;
  /** The rest of leases whose IPv6 subnet an older one has: one object as long as the key does not change. */
  readonly #ipv4Parts = new WeakMap<Lease, Lease>();
  /** The subnets of usable leases; null until a new lease is compared with them. */
  #used: Record<keyof Subnets, PrefixSet> | null = null;
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
    this.#used = null;
    this.#changed = null;
  }

  apply(events: readonly WatchEvent[]): void {
    for (const { type, entry } of events) {
      const before = this.#entries.get(entry.key);
      const after = type === 'DELETE' ? undefined : parseEntry(entry, this.#prefix);
      // Before it is compared with the others, of which it is none.
      this.#forEachSubnet(before, (version, subnet) => this.#used?.[version].delete(subnet));
      if (this.#mayChangeOverlaps(before, after)) {
        this.#overlaps = null;
        this.#changed = null;
      } else if (this.#changed?.has(entry.key) === false)
        this.#changed.set(entry.key, before?.lease?.subnet ?? null);
      this.#forEachSubnet(after, (version, subnet) => this.#used?.[version].add(subnet));
      if (after === undefined) this.#entries.delete(entry.key);
      else this.#entries.set(entry.key, after);
      this.#revision = entry.modRevision;
    }
  }

  #mayChangeOverlaps(before: LeaseEntry | undefined, after: LeaseEntry | undefined): boolean {
    const [was, is] = [before?.problem === null, after?.problem === null];
    // The older one of two keeps the addresses.
    if (was === is && (!is || before?.pair.createRevision === after?.pair.createRevision)) return false;
    if (this.#overlaps?.ipv4.size !== 0 || this.#overlaps.ipv6.size !== 0) return true;
    if (after?.problem !== null) return false;
    const used = (this.#used ??= this.#collectSubnets(before));
    let meets = false;
    this.#forEachSubnet(after, (version, subnet) => (meets ||= used[version].meets(subnet)));
    return meets;
  }

  #collectSubnets(except: LeaseEntry | undefined): Record<keyof Subnets, PrefixSet> {
    const used = { ipv4: new PrefixSet(), ipv6: new PrefixSet() };
    for (const entry of this.#entries.values())
      if (entry !== except) this.#forEachSubnet(entry, (version, subnet) => used[version].add(subnet));
    return used;
  }

  /** Of a usable lease, which has no host bits. */
  #forEachSubnet(
    entry: LeaseEntry | undefined,
    visit: (version: keyof Subnets, subnet: IpPrefix) => void,
  ): void {
    if (entry?.problem !== null || entry.subnets === null) return;
    visit('ipv4', entry.subnets.ipv4);
    if (entry.subnets.ipv6 !== null) visit('ipv6', entry.subnets.ipv6);
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
    this.#changed = new Map();
    this.#lastConfig = config;
    return this.#snapshot(config, keys);
  }

  #snapshot(config: NetworkConfig, keys: ReadonlyMap<string, string | null> | null): LeaseSnapshot {
    const entries = [...this.#entries.values()];
    const overlaps = (this.#overlaps ??= findOverlaps(entries.filter(({ problem }) => problem === null)));
    const judge = (entry: LeaseEntry): Lease | LeaseProblem | null => {
      if (entry.problem !== null) return entry.problem;
      if (!this.#isInside(entry, config)) return { kind: 'outside-network' };
      const older = overlaps.ipv4.get(entry.name);
      if (older !== undefined) return { kind: 'overlap', with: older };
      return overlaps.ipv6.has(entry.name) ? this.#withoutIpv6(entry.lease) : entry.lease;
    };
    let changes: LeaseChanges | null = null;
    if (keys !== null) {
      const [put, removed]: [Lease[], string[]] = [[], []];
      for (const [key, known] of keys) {
        const entry = this.#entries.get(key);
        const judged = entry === undefined ? null : judge(entry);
        if (isLease(judged)) put.push(judged);
        else if (known !== null) removed.push(known);
      }
      changes = { put, removed };
    }
    return new TableSnapshot({ revision: this.#revision, config, changes }, entries, judge, overlaps);
  }

  #withoutIpv6(lease: Lease | null): Lease | null {
    if (lease === null) return null;
    const part = this.#ipv4Parts.get(lease) ?? { ...lease, ipv6Subnet: null };
    this.#ipv4Parts.set(lease, part);
    return part;
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

const isInside = ({ ipv4, ipv6 }: Subnets, [network4, network6]: readonly (IpPrefix | null)[]): boolean =>
  network4 !== null &&
  network4 !== undefined &&
  contains(network4, ipv4) &&
  // A node without IPv6 does not use a peer's.
  (ipv6 === null || network6 === null || network6 === undefined || contains(network6, ipv6));

function findOverlaps(entries: readonly LeaseEntry[]): Overlaps {
  const found = { ipv4: new Map<string, string>(), ipv6: new Map<string, string>() };
  for (const version of ['ipv4', 'ipv6'] as const) {
    const ranges = entries
      .flatMap(({ name, pair, subnets }) => {
        const prefix = subnets?.[version] ?? null;
        // One that is not used at all takes no addresses.
        return prefix === null || found.ipv4.has(name)
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
        else found[version].set(range.name, older.name);
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

const isLease = (judged: Lease | LeaseProblem | null): judged is Lease =>
  judged !== null && 'subnet' in judged;

/** Sorts the leases of thousands of nodes only for a reader that wants all of them. */
class TableSnapshot implements LeaseSnapshot {
  readonly revision: bigint;
  readonly config: NetworkConfig;
  readonly changes: LeaseChanges | null;
  readonly #entries: readonly LeaseEntry[];
  readonly #judge: (entry: LeaseEntry) => Lease | LeaseProblem | null;
  readonly #overlaps: Overlaps;
  #sorted: Pick<LeaseSnapshot, 'leases' | 'ignored'> | null = null;

  constructor(
    { revision, config, changes }: Pick<LeaseSnapshot, 'revision' | 'config' | 'changes'>,
    entries: readonly LeaseEntry[],
    judge: (entry: LeaseEntry) => Lease | LeaseProblem | null,
    overlaps: Overlaps,
  ) {
    this.revision = revision;
    this.config = config;
    this.changes = changes;
    this.#entries = entries;
    this.#judge = judge;
    this.#overlaps = overlaps;
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
      const older = this.#overlaps.ipv6.get(entry.name);
      if (isLease(judged)) leases.push(judged);
      if (isLease(judged) && older !== undefined)
        ignored.push({ name: entry.name, problem: { kind: 'ipv6-overlap', with: older } });
      else if (judged !== null && !isLease(judged)) ignored.push({ name: entry.name, problem: judged });
    }
    return (this.#sorted = { leases, ignored });
  }
}
