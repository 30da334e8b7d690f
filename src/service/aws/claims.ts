import type { VpcNode, VpcPlacement } from './placement.js';

type PlacedNode = VpcNode & { readonly placement: VpcPlacement };

export interface ClaimInput {
  readonly self: VpcNode;
  /** The other nodes. */
  readonly nodes: readonly VpcNode[];
  /** Routes of nodes that fit into each table, by id. A table that is not listed here takes any number. */
  readonly capacities: ReadonlyMap<string, number>;
  /** `RouteTableID` of the cluster's configuration. Null: the tables of all nodes' VPC subnets. */
  readonly configured: readonly string[] | null;
}

export interface RouteClaims {
  /** Tables that this node's route should be in. */
  readonly hold: readonly string[];
  /** Tables whose route another node makes better use of: stop publishing it, and delete it afterwards. */
  readonly yield: readonly string[];
}

/**
 * Decides in which tables a node has its route, from the shared leases. A node that holds a route keeps it,
 * whoever joins. Free places go to those who wait, in the order of their subnets, so each node finds the same
 * next ones; when nodes with different views race for the last place, AWS refuses one of them.
 */
export function planRouteClaims({ self, nodes, capacities, configured }: ClaimInput): RouteClaims {
  if (self.placement === null || self.placement.prefix) return { hold: [], yield: [] };
  const { vpc, table: ownTable } = self.placement;
  const placed = [self, ...nodes].filter(
    (node): node is PlacedNode => node.placement?.vpc === vpc && !node.placement.prefix,
  );
  /** By table, the VPC subnets of the nodes that send by it. */
  const senders = new Map<string, Set<string>>();
  for (const { placement } of placed) {
    const subnets = senders.get(placement.table) ?? new Set();
    senders.set(placement.table, subnets.add(placement.vpcSubnet));
  }
  const claims = { hold: [] as string[], yield: [] as string[] };
  for (const table of configured ?? [...senders.keys()].sort()) {
    const decision = decide(self.subnet, placed, {
      table,
      senders: senders.get(table) ?? new Set(),
      capacity: capacities.get(table) ?? Infinity,
      isWanted: configured !== null || table === ownTable,
    });
    if (decision === 'hold' || decision === 'yield') claims[decision].push(table);
  }
  return claims;
}

interface TableClaims {
  readonly table: string;
  readonly senders: ReadonlySet<string>;
  readonly capacity: number;
  /** True: make the route while there is room, also when no node of the cluster sends by it, as stock does. */
  readonly isWanted: boolean;
}

function decide(
  self: string,
  placed: readonly PlacedNode[],
  { table, senders, capacity, isWanted }: TableClaims,
): 'hold' | 'yield' | 'wait' {
  /** Nodes that hold the route, and nodes that lack it; each by whether other nodes send by it. */
  const holders = { used: 0, unused: 0, unusedBefore: 0 };
  const waiting = { used: 0, usedBefore: 0, unusedBefore: 0 };
  let mine = { holds: false, isUsed: false };
  for (const { subnet, placement } of placed) {
    // Nodes of the same VPC subnet use host-gw, so a route serves those of other subnets only.
    const isUsed = senders.size > (senders.has(placement.vpcSubnet) ? 1 : 0);
    const holds = placement.routes.includes(table);
    const isBefore = subnet < self;
    if (subnet === self) mine = { holds, isUsed };
    if (holds) {
      holders[isUsed ? 'used' : 'unused']++;
      if (!isUsed && isBefore) holders.unusedBefore++;
    } else {
      if (isUsed) waiting.used++;
      if (isBefore) waiting[isUsed ? 'usedBefore' : 'unusedBefore']++;
    }
  }
  const free = capacity - holders.used - holders.unused;
  if (mine.holds) {
    if (mine.isUsed) return 'hold';
    const unmet = waiting.used - Math.max(0, free);
    return !isWanted || holders.unusedBefore < unmet ? 'yield' : 'hold';
  }
  if (mine.isUsed) return waiting.usedBefore < free ? 'hold' : 'wait';
  return isWanted && waiting.used + waiting.unusedBefore < free ? 'hold' : 'wait';
}
