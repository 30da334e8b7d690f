import { randomBytes } from 'node:crypto';
import { Gateway, type EtcdOptions } from './gateway.js';
import { watchPrefix, type HistoryLoss, type WatchMessage } from './watch.js';
import {
  encode,
  EtcdRefusal,
  grantAnswer,
  keepAliveAnswer,
  prefixEnd,
  rangeAnswer,
  revokeAnswer,
  STATUS,
  timeToLiveAnswer,
  transactionAnswer,
  type KeyValue,
  type RangeResult,
} from './wire.js';

type Operation =
  | { readonly put: string; readonly value: string; readonly lease?: string }
  | { readonly delete: string }
  | { readonly get: string };

interface Transaction {
  /** The revision of the last change of each key; 0 for a key that does not exist. */
  readonly when: readonly { readonly key: string; readonly modRevision: bigint }[];
  /** No key with the prefix has been created or changed after the revision. */
  readonly unchanged?: { readonly prefix: string; readonly since: bigint } | null;
  readonly then: readonly Operation[];
  readonly otherwise?: readonly Operation[];
}

interface TransactionResult {
  readonly succeeded: boolean;
  readonly revision: bigint;
  /** What the `get` operations found. */
  readonly found: readonly KeyValue[];
}

/**
 * A client of etcd v3 over its JSON gateway, for etcd 3.4 and newer. Every request may be executed twice, because
 * an answer can be lost: granting and revoking are idempotent, and a caller of `transact` looks at what is there.
 */
export class EtcdClient implements Disposable {
  readonly #gateway: Gateway;
  readonly #idleMs: number;

  /** A watch that receives nothing for `idleMs` (30 s by default) is replaced, since it may be hung. */
  constructor(options: EtcdOptions & { readonly idleMs?: number | undefined }) {
    this.#gateway = new Gateway(options);
    this.#idleMs = options.idleMs ?? 30_000;
  }

  async get(key: string, signal: AbortSignal): Promise<KeyValue | null> {
    const { kvs } = await this.#gateway.call('/v3/kv/range', { key: encode(key) }, rangeAnswer, signal);
    return kvs[0] ?? null;
  }

  async getPrefix(prefix: string, signal: AbortSignal): Promise<RangeResult> {
    const body = { key: encode(prefix), range_end: prefixEnd(prefix) };
    const { header, kvs } = await this.#gateway.call('/v3/kv/range', body, rangeAnswer, signal);
    return { clusterId: header.cluster_id, revision: header.revision, entries: kvs };
  }

  async transact(
    { when, unchanged = null, then, otherwise = [] }: Transaction,
    signal: AbortSignal,
  ): Promise<TransactionResult> {
    const body = {
      compare: [
        ...when.map(({ key, modRevision }) => ({
          key: encode(key),
          target: 'MOD',
          result: 'EQUAL',
          mod_revision: String(modRevision),
        })),
        ...(unchanged === null ? [] : [unchangedRange(unchanged)]),
      ],
      success: then.map(operation),
      failure: otherwise.map(operation),
    };
    const answer = await this.#gateway.call('/v3/kv/txn', body, transactionAnswer, signal);
    return {
      succeeded: answer.succeeded,
      revision: answer.header.revision,
      found: answer.responses.flatMap(({ response_range }) => response_range?.kvs ?? []),
    };
  }

  /** Returns the id of the new lease. The id is chosen here, so that a repeated request grants no second one. */
  async grantLease(ttlS: number, signal: AbortSignal): Promise<string> {
    // A positive 64-bit number.
    const id = String(BigInt.asUintN(62, randomBytes(8).readBigUInt64BE()) + 1n);
    try {
      await this.#gateway.call('/v3/lease/grant', { ID: id, TTL: String(ttlS) }, grantAnswer, signal);
    } catch (error) {
      const granted = error instanceof EtcdRefusal && error.message.includes('lease already exists');
      if (!granted) throw error;
    }
    return id;
  }

  /** Returns the seconds that the lease lives from now on; 0 when it exists no more. */
  async keepLeaseAlive(id: string, signal: AbortSignal): Promise<number> {
    const { result } = await this.#gateway.call('/v3/lease/keepalive', { ID: id }, keepAliveAnswer, signal);
    return Math.max(0, result.TTL);
  }

  /** Deletes the lease and its keys. */
  async revokeLease(id: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#gateway.call('/v3/lease/revoke', { ID: id }, revokeAnswer, signal);
    } catch (error) {
      if (!(error instanceof EtcdRefusal && error.status === STATUS.notFound)) throw error;
    }
  }

  /** Null when there is no such lease. */
  async keysOfLease(id: string, signal: AbortSignal): Promise<readonly string[] | null> {
    const body = { ID: id, keys: true };
    const { TTL, keys } = await this.#gateway.call('/v3/lease/timetolive', body, timeToLiveAnswer, signal);
    return TTL < 0 ? null : keys;
  }

  /** Yields what happens to the keys with a prefix after a range, until history is lost or the signal aborts. */
  watch(prefix: string, after: RangeResult, signal: AbortSignal): AsyncGenerator<WatchMessage, HistoryLoss> {
    return watchPrefix(this.#gateway, { prefix, after, idleMs: this.#idleMs, signal });
  }

  [Symbol.dispose](): void {
    this.#gateway[Symbol.dispose]();
  }
}

const unchangedRange = ({ prefix, since }: { prefix: string; since: bigint }): object => ({
  key: encode(prefix),
  range_end: prefixEnd(prefix),
  target: 'MOD',
  result: 'LESS',
  mod_revision: String(since + 1n),
});

function operation(each: Operation): object {
  if ('put' in each)
    return {
      request_put: { key: encode(each.put), value: encode(each.value), lease: each.lease ?? '0' },
    };
  return 'delete' in each
    ? { request_delete_range: { key: encode(each.delete) } }
    : { request_range: { key: encode(each.get) } };
}
