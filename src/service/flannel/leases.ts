import { isDeepStrictEqual } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { BarewireError, bug } from '../../schema/index.js';
import { Backoff } from '../etcd/backoff.js';
import { EtcdClient } from '../etcd/client.js';
import type { EtcdOptions } from '../etcd/gateway.js';
import { parsePrevious, withDelegated, type PreviousLease, type PreviousSubnet } from './choose-subnet.js';
import { ConnectionState } from './connection-state.js';
import { eventOf, type LeaseEvent } from './lease-event.js';
import { LeaseFeed } from './lease-feed.js';
import { LeaseStore } from './lease-store.js';
import type { LeaseSnapshot } from './lease-table.js';
import type { Lease, LeaseAttributes } from './lease.js';
import type { NetworkConfig } from './network-config.js';
import { OwnLease } from './own-lease.js';
import { parsePrefix, type IpPrefix } from './prefix.js';
import { Queue } from './queue.js';

export interface SubnetLeasesOptions extends EtcdOptions {
  /** A watch that is silent for so long is replaced. 30 s by default. */
  readonly idleMs?: number | undefined;
  /** flannel's prefix in etcd. */
  readonly prefix?: string | undefined;
  /** The lifetime of the lease without a sign of life, 86,400 s by default. */
  readonly ttlS?: number | undefined;
  /** A third of the lifetime by default. */
  readonly renewAfterMs?: number | undefined;
  readonly onEvent?: ((event: LeaseEvent) => void) | undefined;
}

/** The leases of a flannel network in etcd, and the node's own among them. */
export class SubnetLeases implements AsyncDisposable {
  readonly #etcd: EtcdClient;
  readonly #store: LeaseStore;
  readonly #feed: LeaseFeed;
  readonly #own: OwnLease;
  readonly #renewAfterMs: number;
  readonly #report: (event: LeaseEvent) => void;
  readonly #connection: ConnectionState;
  readonly #disposed = new AbortController();
  /** Ends what keeps the own lease: the renewals and a claim in the background. */
  #holding = new AbortController();
  /** What the own key must say; null while there is no own key. */
  #attributes: LeaseAttributes | null = null;
  #config: NetworkConfig | null = null;
  #delegated: IpPrefix | null = null;
  /** Changes of the own key, one after the other. */
  readonly #changes = new Queue();
  /** Two processes with one public address would take the key from each other without a pause. */
  readonly #repairs = new Backoff(5, 30_000);
  #isRepairing = false;
  #following: Promise<void> | null = null;
  #renewing: Promise<void> | null = null;

  constructor(options: SubnetLeasesOptions) {
    const {
      ttlS = 86_400,
      renewAfterMs = (ttlS * 1000) / 3,
      prefix = '/coreos.com/network',
      onEvent,
    } = options;
    this.#report = onEvent ?? (() => undefined);
    this.#connection = new ConnectionState(this.#report);
    this.#renewAfterMs = renewAfterMs;
    this.#etcd = new EtcdClient(options);
    this.#store = new LeaseStore(this.#etcd, prefix);
    this.#own = new OwnLease(this.#etcd, this.#store, ttlS);
    this.#feed = new LeaseFeed({
      etcd: this.#etcd,
      store: this.#store,
      config: async (signal) => this.#config ?? (await this.readConfig(signal)),
      onAnswer: () => this.#connection.answered(),
      onFailure: (error) => this.#connection.failed(error),
      onResync: (reason) => {
        this.#report({ kind: 'resynced', reason });
        // Revisions of another history are no measure of the own key's.
        if (reason === 'other-history') this.#repair();
      },
      onChange: () => this.#checkOwn(),
    });
  }

  /** The last lease, also while it has to be claimed again. */
  get own(): Lease | null {
    return this.#own.lease;
  }

  /** The id of the etcd lease that holds the own key. It proves later that the key was this node's. */
  get etcdLease(): string | null {
    return this.#own.etcdLease;
  }

  /** False when another node may have got the own subnet. */
  get isConfirmed(): boolean {
    return this.#own.isConfirmed;
  }

  /** Reads the config. Snapshots and claims use the last one that was read. */
  async readConfig(signal: AbortSignal): Promise<NetworkConfig> {
    const read = await this.#connection.patiently(
      (both) => this.#store.readConfig(both),
      this.#until(signal),
    );
    // The same object for the same content: judging thousands of leases by it is remembered.
    if (this.#config !== null && isDeepStrictEqual(read, this.#config)) return this.#config;
    this.#config = read;
    this.#feed.setConfig(this.#config);
    return this.#config;
  }

  /**
   * Gets a subnet and keeps it: the one of a lease with the same public address, else the previous one if it is
   * free, else a free one at random. Waits for etcd. Throws `bad-input` for the config, `etcd-refused`, and
   * `no-free-subnet`. To be called again after a change of the config.
   *
   * @param delegated the subnet that belongs to this node, and is taken over from any other
   */
  async acquire(
    attributes: LeaseAttributes,
    previous: PreviousSubnet | null,
    signal: AbortSignal,
    delegated: string | null = null,
  ): Promise<Lease> {
    this.#delegated = delegated === null ? null : parsePrefix(delegated);
    if (this.#holding.signal.aborted) this.#holding = new AbortController();
    const lease = await this.#changes.run(async () => {
      const config = await this.readConfig(signal);
      return this.#ensure(attributes, config, parsePrevious(previous), signal);
    }, signal);
    this.#attributes = attributes;
    this.#renewing ??= this.#renew(this.#holding.signal).catch(ignoreAbort);
    this.#follow();
    this.#checkOwn();
    return lease;
  }

  /** Publishes other attributes. Another backend type deletes the key and creates it again. */
  async update(attributes: LeaseAttributes, signal: AbortSignal): Promise<Lease> {
    if (this.#attributes === null) throw bug('A lease was updated that was not acquired');
    // A claim in the background uses them too.
    this.#attributes = attributes;
    return this.#changes.run(async () => {
      const config = this.#config ?? (await this.readConfig(signal));
      return this.#ensure(attributes, config, null, signal);
    }, signal);
  }

  /** Deletes the own lease, if there is one. */
  async release(signal: AbortSignal): Promise<void> {
    this.#attributes = null;
    this.#holding.abort();
    await this.#renewing;
    this.#renewing = null;
    const work = (both: AbortSignal): Promise<void> => this.#own.release(both);
    await this.#changes.run(() => this.#connection.patiently(work, this.#until(signal)), signal);
  }

  /** Delivers the complete set of leases, now and after every change, until disposed. */
  watch(onSnapshot: (snapshot: LeaseSnapshot) => void): Disposable {
    this.#follow();
    return this.#feed.subscribe(onSnapshot);
  }

  /** Stops timers and connections. The lease stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort();
    this.#holding.abort();
    await Promise.all([this.#changes.idle(), this.#following, this.#renewing]);
    this.#etcd[Symbol.dispose]();
  }

  async #ensure(
    attributes: LeaseAttributes,
    config: NetworkConfig,
    previous: PreviousLease | null,
    signal: AbortSignal,
  ): Promise<Lease> {
    const own = this.#delegated === null ? config : withDelegated(config, this.#delegated);
    const ensured = await this.#connection.patiently(
      (both) => this.#own.ensure(attributes, own, previous, both),
      this.#until(signal),
    );
    const event = eventOf(ensured);
    if (event !== null) this.#report(event);
    // The watch may be ahead of this answer.
    this.#checkOwn();
    return ensured.lease;
  }

  #checkOwn(): void {
    if (this.#attributes !== null && this.#own.noticeLoss(this.#feed.table)) this.#repair();
  }

  /** Makes the own key right again, in the background, as often as it takes. */
  #repair(): void {
    if (this.#isRepairing || this.#attributes === null) return;
    this.#isRepairing = true;
    const { signal } = this.#holding;
    const work = async (): Promise<void> => {
      await this.#repairs.wait(signal);
      for (;;) {
        this.#isRepairing = false;
        try {
          if (this.#attributes !== null && this.#config !== null)
            await this.#ensure(this.#attributes, this.#config, null, signal);
          return;
        } catch (error) {
          if (!(error instanceof BarewireError)) throw error;
          this.#report({ kind: 'failed', error });
        }
        this.#isRepairing = true;
        await this.#repairs.wait(signal);
      }
    };
    this.#changes
      .run(work, signal)
      .catch(ignoreAbort)
      .finally(() => {
        this.#isRepairing = false;
      });
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(Math.min(1_000, this.#renewAfterMs / 4), 30_000);
    let hasLapsed = false;
    await sleep(this.#renewAfterMs, undefined, { signal });
    for (;;) {
      try {
        if (!(await this.#own.renew(signal))) this.#repair();
        this.#connection.answered();
        hasLapsed = false;
        backoff.reset();
        await sleep(this.#renewAfterMs, undefined, { signal });
      } catch (error) {
        if (!(error instanceof BarewireError)) throw error;
        this.#connection.failed(error);
        if (!hasLapsed && !this.isConfirmed && this.own !== null)
          this.#report({ kind: 'lapsed', lease: this.own });
        hasLapsed ||= !this.isConfirmed;
        await backoff.wait(signal);
      }
    }
  }

  #until(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#disposed.signal]);
  }

  #follow(): void {
    this.#following ??= this.#feed.follow(this.#disposed.signal).catch(ignoreAbort);
  }
}

/** Loops end by their signal. */
function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === 'AbortError')) throw error;
}
