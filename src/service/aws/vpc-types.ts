/** A route of a table, to an IPv4 range. */
export interface VpcRoute {
  readonly destination: string;
  /** Where it leads to. Both are null for a gateway, a peering connection or another target. */
  readonly interface: string | null;
  readonly instance: string | null;
  readonly blackhole: boolean;
  /** Propagated by a virtual private gateway: not counted by the quota. */
  readonly propagated: boolean;
}

export interface VpcTable {
  readonly id: string;
  readonly vpc: string;
  readonly routes: readonly VpcRoute[];
  /** The routes that the quota for IPv4 counts. A prefix list counts as one here; AWS counts its entries. */
  readonly counted: number;
}

export interface VpcInterface {
  /** The source/destination check is on. */
  readonly hasCheck: boolean;
  /** Prefixes that are delegated to it. */
  readonly prefixes: readonly string[];
}

export interface RouteTarget {
  readonly table: string;
  readonly destination: string;
  readonly interface: string;
}
