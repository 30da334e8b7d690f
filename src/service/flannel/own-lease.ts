import { machineError, type BarewireError } from '../../schema/index.js';
import { Backoff } from '../etcd/backoff.js';
import type { EtcdClient } from '../etcd/client.js';
import { EtcdRefusal, STATUS } from '../etcd/wire.js';
import { chooseSubnet, fits, misfits, type PreviousLease, type SubnetChoice } from './choose-subnet.js';
import type { LeaseStore } from './lease-store.js';
import { leaseOf, parseEntry, type LeaseEntry } from './lease-entry.js';
import type { LeaseTable } from './lease-table.js';
import { printLeaseValue, type Lease, type LeaseAttributes, type Subnets } from './lease.js';
import type { NetworkConfig } from './network-config.js';

/** Why a subnet was claimed again. `config`: the network does not contain it any more. */
export type LossCause = 'deleted' | 'changed' | 'expired' | 'config';

export type Ensured =
  | { readonly kind: 'unchanged' | 'updated'; readonly lease: Lease }
  | {
      readonly kind: 'claimed';
      readonly how: SubnetChoice['how'];
      readonly lease: Lease;
      /** Null for the first claim, and when the backend's type was changed on purpose. */
      readonly cause: LossCause | null;
      readonly before: Lease | null;
    };

/** Our key as this process wrote it. */
interface HeldKey {
  readonly name: string;
  readonly subnets: Subnets;
  readonly value: string;
  readonly modRevision: bigint;
  readonly lease: Lease;
}

/** Several nodes that lost a race do not meet again. */
const [FIRST_RACE_PAUSE_MS, LONGEST_RACE_PAUSE_MS] = [20, 1_000];

/** The node's own key, and the etcd lease under which this process keeps it. */
export class OwnLease {
  readonly #etcd: EtcdClient;
  readonly #store: LeaseStore;
  readonly #ttlS: number;
  #held: HeldKey | null = null;
  /** The key may be another node's: it was deleted or changed. */
  #isLost = false;
  #etcdLease: { readonly id: string; readonly validUntilMs: number } | null = null;
  /** Fields unknown to flannel that the key had before this process wrote it. */
  #inherited: LeaseAttributes['rest'] = {};

  constructor(etcd: EtcdClient, store: LeaseStore, ttlS: number) {
    this.#etcd = etcd;
    this.#store = store;
    this.#ttlS = ttlS;
  }

  /** The last lease, also while it has to be claimed again. */
  get lease(): Lease | null {
    return this.#held?.lease ?? null;
  }

  /** The id of the etcd lease under which the key is; null while there is none. */
  get etcdLease(): string | null {
    return this.#etcdLease?.id ?? null;
  }

  /** False when another node may have got the subnet: nothing has confirmed the lease for its whole lifetime. */
  get isConfirmed(): boolean {
    return this.#held !== null && !this.#isLost && performance.now() < (this.#etcdLease?.validUntilMs ?? 0);
  }

  /** Remembers that the table has another version of the key than the one that was written. */
  noticeLoss(table: LeaseTable): boolean {
    if (this.#held === null || table.revision < this.#held.modRevision) return false;
    if (table.find(this.#held.name)?.modRevision === this.#held.modRevision) return false;
    this.#isLost = true;
    return true;
  }

  /** Makes the key what it should be: unchanged, updated, or claimed. */
  async ensure(
    attributes: LeaseAttributes,
    config: NetworkConfig,
    previous: PreviousLease | null,
    signal: AbortSignal,
  ): Promise<Ensured> {
    const before = this.#held;
    if (before === null) return this.#claim({ attributes, config, previous, cause: null }, signal);
    let cause: LossCause | null = null;
    const found = await this.#store.read(before.name, signal);
    const etcdLease = this.#etcdLease;
    if (found === null) cause = etcdLease === null ? 'expired' : 'deleted';
    else if (found.lease !== etcdLease?.id) cause = 'changed';
    else if (!fits(config, before.subnets)) cause = 'config';
    else {
      const value = this.#valueOf(attributes);
      // With our etcd lease, another revision is a write of ours whose answer was lost, or an edit to overwrite.
      this.#isLost = false;
      if (found.value === value) {
        this.#held = {
          ...before,
          value,
          modRevision: found.modRevision,
          lease: leaseOf(before.subnets, attributes),
        };
        return { kind: before.value === value ? 'unchanged' : 'updated', lease: this.#held.lease };
      }
      if (before.lease.attributes.backendType === attributes.backendType) {
        const write = { value, lease: etcdLease.id, modRevision: found.modRevision };
        const written = await this.#store.write(before.name, write, signal);
        if (written.ok) {
          const lease = leaseOf(before.subnets, attributes);
          this.#held = { ...before, value, modRevision: written.modRevision, lease };
          if (before.value !== value) return { kind: 'updated', lease };
          return { kind: 'claimed', how: 'kept', lease, cause: 'changed', before: before.lease };
        }
        cause = 'changed';
        // Stock nodes keep the routes of the old type until the key is deleted.
      } else if (!(await this.#store.remove(before.name, found.modRevision, signal))) cause = 'changed';
    }
    this.#isLost = true;
    const last = { subnets: before.subnets, etcdLease: etcdLease?.id ?? null };
    return this.#claim({ attributes, config, previous: last, cause }, signal);
  }

  /** Keeps the etcd lease alive. False when it exists no more, and the key with it. */
  async renew(signal: AbortSignal): Promise<boolean> {
    const id = this.#etcdLease?.id;
    if (id === undefined) return false;
    const sentMs = performance.now();
    const ttlS = await this.#etcd.keepLeaseAlive(id, signal);
    if (this.#etcdLease?.id !== id) return true;
    this.#etcdLease = ttlS === 0 ? null : { id, validUntilMs: sentMs + ttlS * 1000 };
    return ttlS > 0;
  }

  /** Deletes the key, if it is still ours, and the etcd lease. */
  async release(signal: AbortSignal): Promise<void> {
    const held = this.#held;
    if (held !== null && !(await this.#store.remove(held.name, held.modRevision, signal))) {
      const found = await this.#store.read(held.name, signal);
      if (found !== null && found.lease === this.#etcdLease?.id)
        await this.#store.remove(held.name, found.modRevision, signal);
    }
    this.#held = null;
    await this.#revoke(signal);
  }

  async #claim(
    wanted: {
      readonly attributes: LeaseAttributes;
      readonly config: NetworkConfig;
      readonly previous: PreviousLease | null;
      readonly cause: LossCause | null;
    },
    signal: AbortSignal,
  ): Promise<Ensured> {
    const { attributes, cause, config } = wanted;
    const { publicIp } = attributes;
    const before = this.#held?.lease ?? null;
    const races = new Backoff(FIRST_RACE_PAUSE_MS, LONGEST_RACE_PAUSE_MS);
    for (;;) {
      const listed = await this.#store.list(signal);
      const { entries } = listed;
      const parsed = entries.map((pair) => parseEntry(pair, this.#store.subnets));
      const request = { config, entries: parsed, publicIp, previous: wanted.previous, random: Math.random };
      for (const misfit of misfits(request)) {
        await this.#store.remove(misfit.name, misfit.pair.modRevision, signal);
        await this.#discard(misfit.pair.lease, signal);
      }
      const choice = chooseSubnet(request);
      if (choice === null) {
        await this.#revoke(signal);
        throw noFreeSubnet(config, entries.length);
      }
      const { found, name, subnets } = choice;
      let modRevision = found?.pair.modRevision ?? 0n;
      // Stock nodes keep the routes of the old type until the key is deleted.
      if (found?.attributes != null && found.attributes.backendType !== attributes.backendType) {
        if (!(await this.#store.remove(name, modRevision, signal))) continue;
        modRevision = 0n;
      }
      this.#inherited = found?.attributes?.rest ?? {};
      const value = this.#valueOf(attributes);
      const { id } = (this.#etcdLease ??= await this.#grant(signal));
      try {
        const write = { value, lease: id, modRevision };
        const unless = modRevision === 0n && mayShareAddresses(subnets, parsed) ? listed : null;
        const written = await this.#store.write(name, write, signal, unless);
        if (written.ok) {
          const lease = leaseOf(subnets, attributes);
          this.#held = { name, subnets, value, modRevision: written.modRevision, lease };
          this.#isLost = false;
          await this.#discard(found?.pair.lease ?? '0', signal);
          return { kind: 'claimed', how: choice.how, lease, cause, before };
        }
      } catch (error) {
        // The etcd lease has ended in between.
        if (!(error instanceof EtcdRefusal && error.status === STATUS.notFound)) throw error;
        this.#etcdLease = null;
      }
      await races.wait(signal);
    }
  }

  #valueOf(attributes: LeaseAttributes): string {
    return printLeaseValue({ ...attributes, rest: { ...this.#inherited, ...attributes.rest } });
  }

  async #grant(signal: AbortSignal): Promise<{ readonly id: string; readonly validUntilMs: number }> {
    const sentMs = performance.now();
    const id = await this.#etcd.grantLease(this.#ttlS, signal);
    return { id, validUntilMs: sentMs + this.#ttlS * 1000 };
  }

  async #revoke(signal: AbortSignal): Promise<void> {
    if (this.#etcdLease !== null) await this.#etcd.revokeLease(this.#etcdLease.id, signal);
    this.#etcdLease = null;
  }

  /** Revokes an etcd lease of an earlier process that has no key any more. It would end by itself a day later. */
  async #discard(id: string, signal: AbortSignal): Promise<void> {
    if (id === '0' || id === this.#etcdLease?.id) return;
    try {
      const keys = await this.#etcd.keysOfLease(id, signal);
      if (keys?.length === 0) await this.#etcd.revokeLease(id, signal);
    } catch {
      signal.throwIfAborted();
    }
  }
}

/**
 * Whether two nodes may write different keys at once that share addresses. Of one version of IP and one length, the key is the subnet, and
 * only one of them creates it.
 */
const mayShareAddresses = ({ ipv4, ipv6 }: Subnets, entries: readonly LeaseEntry[]): boolean =>
  ipv6 !== null ||
  entries.some(
    ({ subnets }) => subnets !== null && (subnets.ipv6 !== null || subnets.ipv4.length !== ipv4.length),
  );

const noFreeSubnet = ({ ipv4 }: NetworkConfig, leases: number): BarewireError =>
  machineError(
    'no-free-subnet',
    `No free subnet: ${leases} leases, subnets of /${ipv4.subnetLength} from ${ipv4.subnetMin} to ${ipv4.subnetMax}`,
    'Enlarge the network in the flannel config, or remove the leases of nodes that are gone.',
  );
