import { userError } from '../../schema/index.js';
import type { EtcdClient } from '../etcd/client.js';
import type { KeyValue, RangeResult } from '../etcd/wire.js';
import { parseNetworkConfig, type NetworkConfig } from './network-config.js';

type Written =
  | { readonly ok: true; readonly modRevision: bigint }
  /** The key has changed since: what is there now. */
  | { readonly ok: false; readonly found: KeyValue | null };

/** flannel's keys in etcd. Keys of leases are written only if they are as they were read. */
export class LeaseStore {
  readonly #etcd: EtcdClient;
  readonly #prefix: string;
  /** What the names of leases are appended to. */
  readonly subnets: string;

  constructor(etcd: EtcdClient, prefix: string) {
    this.#etcd = etcd;
    this.#prefix = `/${prefix.replaceAll(/^\/+|\/+$/g, '')}`;
    this.subnets = `${this.#prefix}/subnets/`;
  }

  /** Throws `bad-input` when there is no config, and when it is wrong. */
  async readConfig(signal: AbortSignal): Promise<NetworkConfig> {
    const key = `${this.#prefix}/config`;
    const found = await this.#etcd.get(key, signal);
    if (found !== null) return parseNetworkConfig(found.value);
    throw userError(
      `etcd has no flannel config: ${key}`,
      `Run etcdctl put ${key} '{"Network":"10.50.0.0/16","Backend":{"Type":"vxlan"}}'.`,
    );
  }

  list(signal: AbortSignal): Promise<RangeResult> {
    return this.#etcd.getPrefix(this.subnets, signal);
  }

  read(name: string, signal: AbortSignal): Promise<KeyValue | null> {
    return this.#etcd.get(`${this.subnets}${name}`, signal);
  }

  /** Creates a key (`modRevision` 0) or changes it, under an etcd lease that only this process has. */
  async write(
    name: string,
    {
      value,
      lease,
      modRevision,
    }: { readonly value: string; readonly lease: string; readonly modRevision: bigint },
    signal: AbortSignal,
  ): Promise<Written> {
    const key = `${this.subnets}${name}`;
    const { succeeded, revision, found } = await this.#etcd.transact(
      { when: [{ key, modRevision }], then: [{ put: key, value, lease }], otherwise: [{ get: key }] },
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
