import type { BarewireError } from '../../schema/index.js';
import type { VpcPlacement } from './placement.js';
import type { RouteChange } from './table-plan.js';

export type VpcChange =
  RouteChange | { readonly change: 'switch-check-off' | 'assign-prefix' | 'unassign-prefix' };

/** What a check of the VPC found and did. */
export interface VpcState {
  /**
   * What to publish in the own lease. Null: the source/destination check could not be switched off, so that
   * peers must use VXLAN.
   */
  readonly placement: VpcPlacement | null;
  /** Subnets with an active route in this node's own table: `listed` of `planVpcPeers`. */
  readonly listed: ReadonlySet<string>;
  readonly changes: readonly VpcChange[];
  /** Something is left to do once the placement is published: reconcile again a few seconds later. */
  readonly isUnfinished: boolean;
  /** Permissions that are missing and calls that failed. The other parts of the state hold. */
  readonly problems: readonly BarewireError[];
}
