import { BarewireError, machineError } from '../../schema/index.js';
import { Backoff } from './backoff.js';
import type { Gateway } from './gateway.js';
import {
  encode,
  EtcdRefusal,
  parseJson,
  prefixEnd,
  rangeAnswer,
  watchAnswer,
  type KeyValue,
  type RangeResult,
} from './wire.js';

export interface WatchEvent {
  readonly type: 'PUT' | 'DELETE';
  /** Of a deletion: the key and the revision. */
  readonly entry: KeyValue;
}

export type WatchMessage =
  /** A member follows from where the last one ended. */
  | { readonly kind: 'open' }
  | { readonly kind: 'events'; readonly events: readonly WatchEvent[] }
  /** The watch goes on with the next member that answers. */
  | { readonly kind: 'lost'; readonly error: BarewireError };

/** Why a watch ends: read everything again. `other-history`: the data were restored, or it is another cluster. */
export type HistoryLoss = 'compacted' | 'other-history';

interface WatchOptions {
  readonly prefix: string;
  readonly after: RangeResult;
  readonly idleMs: number;
  readonly signal: AbortSignal;
}

/**
 * Watches a prefix over any number of streams, each from the revision after the last one that arrived. A stream
 * that is silent for `idleMs` is replaced: HTTP/1.1 has no way to ask on it for progress, and a hung connection, a
 * forgotten NAT entry and a stopped server look the same as no change.
 */
export async function* watchPrefix(
  gateway: Gateway,
  { prefix, after, idleMs, signal }: WatchOptions,
): AsyncGenerator<WatchMessage, HistoryLoss> {
  let seen = after.revision;
  const backoff = new Backoff();
  for (;;) {
    const request = {
      key: encode(prefix),
      range_end: prefixEnd(prefix),
      start_revision: String(seen + 1n),
      progress_notify: true,
    };
    try {
      for await (const line of gateway.stream('/v3/watch', { create_request: request }, idleMs, signal)) {
        const { result, error } = watchAnswer.parse(parseJson(line));
        if (result === undefined)
          throw new EtcdRefusal('/v3/watch', error?.code ?? error?.grpc_code ?? 0, error?.message ?? line);
        const { header, events } = result;
        if (header.cluster_id !== after.clusterId) return 'other-history';
        if (result.compact_revision > 0n) return 'compacted';
        if (result.canceled) throw new EtcdRefusal('/v3/watch', 0, result.cancel_reason || 'cancelled');
        if (result.created) {
          if (header.revision < seen && (await currentRevision(gateway, prefix, signal)) < seen)
            return 'other-history';
          backoff.reset();
          yield { kind: 'open' };
        } else if (events.length === 0 && header.revision > seen) {
          // Progress: every earlier change has arrived.
          seen = header.revision;
        }
        const fresh = events.filter(({ kv }) => kv.modRevision > seen);
        if (fresh.length === 0) continue;
        seen = fresh.at(-1)?.kv.modRevision ?? seen;
        yield { kind: 'events', events: fresh.map(({ type, kv }) => ({ type, entry: kv })) };
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof EtcdRefusal) {
        // A watch with an expired token is refused as one without permission.
        gateway.dropToken();
        gateway.failed();
      }
      yield { kind: 'lost', error: asEtcdError(error) };
      await backoff.wait(signal);
    }
  }
}

/** The revision of the cluster. A member that has not caught up answers once it has; one whose data were lost says less. */
async function currentRevision(gateway: Gateway, prefix: string, signal: AbortSignal): Promise<bigint> {
  const request = { key: encode(prefix), keys_only: true };
  return (await gateway.call('/v3/kv/range', request, rangeAnswer, signal)).header.revision;
}

const asEtcdError = (error: unknown): BarewireError =>
  error instanceof BarewireError
    ? error
    : machineError('etcd-unreachable', `etcd sent an unknown message`, 'Check the version of etcd.', error);
