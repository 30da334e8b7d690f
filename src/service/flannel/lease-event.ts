import type { BarewireError } from '../../schema/index.js';
import type { HistoryLoss } from '../etcd/watch.js';
import type { SubnetChoice } from './choose-subnet.js';
import type { Lease } from './lease.js';
import type { Ensured, LossCause } from './own-lease.js';

/** What happens to the own lease and to the connection, for logs, metrics and the node's reaction. */
export type LeaseEvent =
  | { readonly kind: 'acquired'; readonly how: SubnetChoice['how']; readonly lease: Lease }
  /** Our key was deleted or changed, and is ours again with the same subnet. */
  | { readonly kind: 'reclaimed'; readonly cause: LossCause; readonly lease: Lease }
  /** The subnet was lost. This is another one. */
  | { readonly kind: 'moved'; readonly cause: LossCause | null; readonly from: Lease; readonly lease: Lease }
  /** etcd has not answered for the lifetime of the lease: another node may get the subnet. */
  | { readonly kind: 'lapsed'; readonly lease: Lease }
  | { readonly kind: 'disconnected'; readonly error: BarewireError }
  | { readonly kind: 'connected' }
  /** Everything was read again. */
  | { readonly kind: 'resynced'; readonly reason: HistoryLoss }
  /** An attempt in the background failed. It is repeated. */
  | { readonly kind: 'failed'; readonly error: BarewireError };

/** Null when the caller has the result itself. */
export function eventOf(ensured: Ensured): LeaseEvent | null {
  if (ensured.kind !== 'claimed') return null;
  const { before, cause, how, lease } = ensured;
  if (before === null) return { kind: 'acquired', how, lease };
  if (before.subnet !== lease.subnet || before.ipv6Subnet !== lease.ipv6Subnet)
    return { kind: 'moved', cause, from: before, lease };
  return cause === null ? null : { kind: 'reclaimed', cause, lease };
}
