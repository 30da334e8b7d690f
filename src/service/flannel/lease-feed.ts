import { BarewireError } from '../../schema/index.js';
import { Backoff } from '../etcd/backoff.js';
import type { EtcdClient } from '../etcd/client.js';
import type { HistoryLoss } from '../etcd/watch.js';
import type { LeaseStore } from './lease-store.js';
import { LeaseTable, type LeaseSnapshot } from './lease-table.js';
import type { NetworkConfig } from './network-config.js';

interface FeedOptions {
  readonly etcd: EtcdClient;
  readonly store: LeaseStore;
  /** Rejects until there is a config. */
  readonly config: (signal: AbortSignal) => Promise<NetworkConfig>;
  readonly onAnswer: () => void;
  readonly onFailure: (error: BarewireError) => void;
  readonly onResync: (reason: HistoryLoss) => void;
  readonly onChange: () => void;
}

/** At most one snapshot in so many milliseconds, the first one at once. */
const DELIVERY_MS = 20;

/** Follows the leases in etcd and delivers all of them after every change. */
export class LeaseFeed {
  readonly table: LeaseTable;
  readonly #options: FeedOptions;
  readonly #subscribers = new Set<(snapshot: LeaseSnapshot) => void>();
  #config: NetworkConfig | null = null;
  #isLoaded = false;
  #timer: NodeJS.Timeout | null = null;
  #deliveredMs = -Infinity;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.table = new LeaseTable(options.store.subnets);
  }

  subscribe(onSnapshot: (snapshot: LeaseSnapshot) => void): Disposable {
    this.#subscribers.add(onSnapshot);
    if (this.#isLoaded && this.#config !== null) onSnapshot(this.table.snapshot(this.#config));
    return { [Symbol.dispose]: () => void this.#subscribers.delete(onSnapshot) };
  }

  /** The config by which leases are judged from now on. */
  setConfig(config: NetworkConfig): void {
    this.#config = config;
    if (this.#isLoaded) this.#deliverSoon();
  }

  /** Runs until the signal aborts. */
  async follow(signal: AbortSignal): Promise<void> {
    const { config, etcd, onAnswer, onFailure, onResync, store } = this.#options;
    const backoff = new Backoff();
    signal.addEventListener('abort', () => clearTimeout(this.#timer ?? undefined), { once: true });
    for (;;) {
      try {
        this.#config ??= await config(signal);
        const listed = await (this.#isLoaded ? store.list(signal) : store.firstListing(signal));
        this.table.replace(listed);
        this.#isLoaded = true;
        onAnswer();
        this.#changed();
        const messages = etcd.watch(store.subnets, listed, signal);
        let next = await messages.next();
        for (; next.done !== true; next = await messages.next()) {
          const message = next.value;
          if (message.kind === 'lost') onFailure(message.error);
          else onAnswer();
          if (message.kind === 'events') {
            this.table.apply(message.events);
            this.#changed();
          }
          backoff.reset();
        }
        onResync(next.value);
      } catch (error) {
        if (!(error instanceof BarewireError)) throw error;
        onFailure(error);
      }
      await backoff.wait(signal);
    }
  }

  #changed(): void {
    this.#options.onChange();
    this.#deliverSoon();
  }

  #deliverSoon(): void {
    if (this.#timer !== null) return;
    const deliver = (): void => {
      this.#timer = null;
      this.#deliveredMs = performance.now();
      if (this.#config === null) return;
      const snapshot = this.table.deliver(this.#config);
      for (const subscriber of this.#subscribers) subscriber(snapshot);
    };
    const waitMs = this.#deliveredMs + DELIVERY_MS - performance.now();
    if (waitMs <= 0) deliver();
    else this.#timer = setTimeout(deliver, waitMs);
  }
}
