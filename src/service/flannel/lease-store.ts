import { userError } from '../../schema/index.js';
import type { EtcdClient } from '../etcd/client.js';
import type { KeyValue, RangeResult } from '../etcd/wire.js';
import { parseNetworkConfig, type NetworkConfig } from './network-config.js';

type Written =
  | { readonly ok: true; readonly modRevision: bigint }
  /** The key has changed since: what is there now. */
  | { readonly ok: false; readonly found: KeyValue | null };

interface LeaseWrite {
  readonly value: string;
  readonly lease: string;
  readonly modRevision: bigint;
}

/** flannel's keys in etcd. Keys of leases are written only if they are as they were read. */
export class LeaseStore {
  readonly #etcd: EtcdClient;
  /** The key of the config. */
  readonly config: string;
  /** What the names of leases are appended to. */
  readonly subnets: string;
  /** Thousands of leases need not be read and parsed twice. */
  #listing: RangeResult | null = null;
  #keepsListing = true;

  constructor(etcd: EtcdClient, prefix: string) {
    this.#etcd = etcd;
    const root = `/${prefix.replaceAll(/^\/+|\/+$/g, '')}`;
    this.config = `${root}/config`;
    this.subnets = `${root}/subnets/`;
  }

  /** Throws `bad-input` when there is no config, and when it is wrong. */
  async readConfig(signal: AbortSignal): Promise<NetworkConfig> {
    const found = await this.findConfig(signal);
    if (found !== null) return parseNetworkConfig(found);
    throw userError(
      `etcd has no flannel config: ${this.config}`,
      `Run etcdctl put ${this.config} '{"Network":"10.50.0.0/16","Backend":{"Type":"vxlan"}}'.`,
    );
  }

  /** Null when there is none. */
  async findConfig(signal: AbortSignal): Promise<string | null> {
    return (await this.#etcd.get(this.config, signal))?.value ?? null;
  }

  /** Creates the config. One that exists is never overwritten: then throws `bad-input` unless it is the same. */
  async createConfig(value: string, signal: AbortSignal): Promise<void> {
    const { succeeded, found } = await this.#etcd.transact(
      {
        when: [{ key: this.config, modRevision: 0n }],
        then: [{ put: this.config, value }],
        otherwise: [{ get: this.config }],
      },
      signal,
    );
    if (succeeded || found[0]?.value === value) return;
    throw userError(
      `etcd has another flannel config: ${this.config} is ${found[0]?.value ?? 'missing'}, not ${value}.`,
      'Compare both, and repeat the command.',
    );
  }

  async list(signal: AbortSignal): Promise<RangeResult> {
    const listed = await this.#etcd.getPrefix(this.subnets, signal);
    if (this.#keepsListing) this.#listing = listed;
    return listed;
  }

  /** The complete set of leases, to be followed from its revision: what the first claim has just read, or read now. */
  async firstListing(signal: AbortSignal): Promise<RangeResult> {
    const listed = this.#listing ?? (await this.list(signal));
    this.#keepsListing = false;
    this.#listing = null;
    return listed;
  }

  read(name: string, signal: AbortSignal): Promise<KeyValue | null> {
    return this.#etcd.get(`${this.subnets}${name}`, signal);
  }

  /**
   * Creates a key (`modRevision` 0) or changes it, under an etcd lease that only this process has.
   *
   * @param unless a listing: the key is not written when another lease has come or changed since
   */
  async write(
    name: string,
    { value, lease, modRevision }: LeaseWrite,
    signal: AbortSignal,
    unless: RangeResult | null = null,
  ): Promise<Written> {
    const key = `${this.subnets}${name}`;
    const { succeeded, revision, found } = await this.#etcd.transact(
      {
        when: [{ key, modRevision }],
        unchanged: unless === null ? null : { prefix: this.subnets, since: unless.revision },
        then: [{ put: key, value, lease }],
        otherwise: [{ get: key }],
      },
      signal,
    );
    if (succeeded) return { ok: true, modRevision: revision };
    const [there] = found;
    // The answer was lost and the transaction repeated: the first one has succeeded.
    if (there?.lease === lease && there.value === value) return { ok: true, modRevision: there.modRevision };
    return { ok: false, found: there ?? null };
  }

  /** Deletes the key if it is as it was read. True when it is gone. */
  async remove(name: string, modRevision: bigint, signal: AbortSignal): Promise<boolean> {
    const key = `${this.subnets}${name}`;
    const { succeeded, found } = await this.#etcd.transact(
      { when: [{ key, modRevision }], then: [{ delete: key }], otherwise: [{ get: key }] },
      signal,
    );
    return succeeded || found.length === 0;
  }
}
