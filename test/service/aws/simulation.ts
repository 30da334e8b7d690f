import { planRouteClaims } from '../../../src/service/aws/claims.js';
import type { VpcNode, VpcPlacement } from '../../../src/service/aws/placement.js';

/** A generator of numbers in [0, 1): the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type PlacedNode = VpcNode & { readonly placement: VpcPlacement };

export interface SimulatedCluster {
  readonly nodes: number;
  /** VPC subnets, each with the table that routes what it sends. */
  readonly tableOf: readonly number[];
  readonly quota: number;
  /** Routes of others in each table. */
  readonly foreign: number;
  readonly reserve: number;
  /** The share of nodes that act on the leases of the round before. */
  readonly stale?: number;
  readonly random: () => number;
}

/** What an event cost: calls of EC2 by all nodes, and changes of routes. */
export interface EventCost {
  readonly calls: number;
  readonly changes: number;
  readonly rounds: number;
}

/**
 * A cluster of nodes that decide from the leases they see, and tables that refuse a route over the quota. In
 * each round all nodes act on the leases at its start, or on older ones; some miss a round.
 */
export class VpcSimulation {
  readonly nodes = new Map<string, PlacedNode>();
  readonly tables = new Map<string, Set<string>>();
  readonly #cluster: SimulatedCluster;
  refusals = 0;

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster;
    for (const table of cluster.tableOf) this.tables.set(`rtb-${table}`, new Set());
    for (let at = 0; at < cluster.nodes; at++) this.join();
  }

  /** A node joins in a random VPC subnet, with a free subnet of the cluster at random. */
  join(): string {
    const { tableOf, random } = this.#cluster;
    let subnet: string;
    do subnet = `10.${128 + Math.floor(16 * random())}.${Math.floor(256 * random())}.0/24`;
    while (this.nodes.has(subnet));
    const vpcSubnet = Math.floor(tableOf.length * random());
    this.nodes.set(subnet, {
      subnet,
      publicIp: `172.31.${vpcSubnet}.${this.nodes.size}`,
      vtepMac: '02:00:00:00:00:01',
      placement: {
        vpc: 'vpc-1',
        vpcSubnet: `subnet-${vpcSubnet}`,
        table: `rtb-${tableOf[vpcSubnet]}`,
        routes: [],
        prefix: false,
      },
    });
    return subnet;
  }

  /** A node leaves and deletes its routes. Without `releases` it is terminated, and its routes stay as blackholes. */
  leave(subnet: string, releases: boolean): number {
    this.nodes.delete(subnet);
    if (!releases) return 0;
    return [...this.tables.values()].filter((routes) => routes.delete(subnet)).length;
  }

  /** Removes blackholes, as one node does at its checks. */
  removeBlackholes(): number {
    let removed = 0;
    for (const routes of this.tables.values())
      for (const subnet of routes) if (!this.nodes.has(subnet) && routes.delete(subnet)) removed++;
    return removed;
  }

  /** Lets all nodes act until nothing changes. */
  settle(): EventCost {
    const cost = { calls: 0, changes: 0, rounds: 0 };
    const { random, stale = 0 } = this.#cluster;
    let older: PlacedNode[] = [];
    for (;;) {
      const leases = [...this.nodes.values()];
      const capacities = this.#capacities(leases);
      const order = leases.map((node) => [random(), node] as const).sort(([one], [other]) => one - other);
      let acted = 0;
      let missed = 0;
      for (const [chance, node] of order) {
        const plan = planRouteClaims({
          self: node,
          nodes: (stale > 0 && random() < stale ? older : leases).filter(
            ({ subnet }) => subnet !== node.subnet,
          ),
          capacities,
          configured: null,
        });
        const missing = plan.hold.filter((table) => !node.placement.routes.includes(table));
        if (missing.length + plan.yield.length === 0) continue;
        if (chance < 0.3 && cost.rounds < 5) {
          missed++;
          continue;
        }
        acted++;
        cost.calls += LISTING_CALLS;
        const routes = new Set(node.placement.routes);
        for (const table of missing) {
          cost.calls++;
          if (this.#create(table, node.subnet)) {
            cost.changes++;
            routes.add(table);
          }
        }
        for (const table of plan.yield) {
          cost.calls++;
          cost.changes++;
          this.tables.get(table)?.delete(node.subnet);
          routes.delete(table);
        }
        this.nodes.set(node.subnet, { ...node, placement: { ...node.placement, routes: [...routes] } });
      }
      const sawAll = older.length === leases.length && older.every((node, at) => node === leases[at]);
      if (acted + missed === 0 && (stale === 0 || sawAll)) return cost;
      older = leases;
      cost.rounds++;
      if (cost.rounds > 50) throw new Error('the nodes do not settle');
    }
  }

  #create(table: string, subnet: string): boolean {
    const routes = this.tables.get(table)!;
    if (routes.size + this.#cluster.foreign >= this.#cluster.quota) {
      this.refusals++;
      return false;
    }
    routes.add(subnet);
    return true;
  }

  #capacities(leases: readonly PlacedNode[]): Map<string, number> {
    const { quota, reserve, foreign } = this.#cluster;
    return new Map(
      [...this.tables].map(([table, routes]) => {
        const published = leases.filter(({ placement }) => placement.routes.includes(table)).length;
        return [table, quota - reserve - foreign - (routes.size - published)];
      }),
    );
  }
}

/** The own table, the others, and the interface's check. */
const LISTING_CALLS = 3;
