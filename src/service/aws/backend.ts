import { machineError, type BarewireError } from '../../schema/index.js';
import type { TableCapacities } from './capacities.js';
import { planRouteClaims, type RouteClaims } from './claims.js';
import { explainAwsError } from './ec2-errors.js';
import type { Ec2 } from './ec2.js';
import type { VpcTable } from './vpc-types.js';
import type { InstanceIdentity } from './metadata.js';
import type { VpcNode, VpcPlacement } from './placement.js';
import { checkPrefix, delegatePrefix } from './prefixes.js';
import type { RouteTables } from './route-tables.js';
import type { VpcChange, VpcState } from './state.js';
import { findRoute, planTableChanges, type OwnTarget, type RouteChange } from './table-plan.js';

export interface VpcBackendParts {
  readonly identity: InstanceIdentity;
  readonly network: string;
  readonly leaseRange: string | null;
  /** `RouteTableID` of the configuration. */
  readonly configured: readonly string[] | null;
  readonly ec2: Ec2;
  readonly tables: RouteTables;
  readonly capacities: TableCapacities;
}

/**
 * Keeps this node's route in the VPC's tables and its source/destination check off. Calls must not overlap.
 */
export class VpcBackend implements Disposable {
  readonly identity: InstanceIdentity;
  /** The range that the leased subnet must be in, for prefix delegation; null for any. */
  readonly leaseRange: string | null;
  readonly #parts: VpcBackendParts;
  #checkedOnce = false;
  #isCheckOff = false;

  constructor(parts: VpcBackendParts) {
    this.identity = parts.identity;
    this.leaseRange = parts.leaseRange;
    this.#parts = parts;
  }

  /** Calls of EC2 so far, by action. */
  get apiCalls(): ReadonlyMap<string, number> {
    return this.#parts.ec2.counts;
  }

  /** The subnet that the node has to lease: with prefix delegation the prefix that AWS delegates, else null. */
  async delegate(
    range: { readonly min: string; readonly max: string },
    previous: string | null,
  ): Promise<string | null> {
    if (this.leaseRange === null) return null;
    return await delegatePrefix(this.#parts.ec2, this.identity, range, previous);
  }

  /**
   * True when the leases ask for a change of this node's routes: then `reconcile` is worth its calls of EC2.
   * Makes none itself.
   */
  isOutOfDate(self: VpcNode, nodes: readonly VpcNode[]): boolean {
    if (!this.#checkedOnce) return true;
    const claims = this.#plan(self, nodes);
    const published = self.placement?.routes ?? [];
    return claims.yield.length > 0 || claims.hold.some((table) => !published.includes(table));
  }

  /**
   * Compares the VPC with what the leases ask for and changes what differs. `self` has the placement that is
   * published in the own lease, null at first; publish the one that is returned.
   */
  async reconcile(self: VpcNode, nodes: readonly VpcNode[]): Promise<VpcState> {
    if (this.leaseRange !== null) {
      this.#checkedOnce = true;
      return await checkPrefix(this.#parts.ec2, this.identity, self);
    }
    const changes: VpcChange[] = [];
    const nothing = { listed: new Set<string>(), changes, isUnfinished: false };
    try {
      changes.push(...(await this.#prepareInterface()));
    } catch (error) {
      const problems = [explainAwsError('ec2:ModifyNetworkInterfaceAttribute', error)];
      return { ...nothing, placement: null, problems };
    }
    try {
      const own = await this.#parts.tables.findForSubnet(this.identity.vpc, this.identity.vpcSubnet);
      const others = await this.#parts.tables.find(this.#tableIds(own.id, nodes));
      const routed = await this.#reconcileTables(self, nodes, own, others);
      return { ...routed, changes: [...changes, ...routed.changes] };
    } catch (error) {
      // What was published may still be true.
      const problems = [explainAwsError('ec2:DescribeRouteTables', error)];
      return { ...nothing, placement: self.placement, problems };
    }
  }

  /**
   * Removes the own route from each table of the VPC, where it still leads here. For `leave`, before the lease
   * is deleted: other nodes claim the places when they see that it is gone.
   */
  async release(subnet: string): Promise<readonly VpcChange[]> {
    const { tables, ec2, network } = this.#parts;
    if (this.leaseRange !== null) {
      const found = await ec2.readInterface(this.identity.interface);
      if (found?.prefixes.includes(subnet) === false) return [];
      await ec2.unassignPrefix(this.identity.interface, subnet);
      return [{ change: 'unassign-prefix' }];
    }
    const made: RouteChange[] = [];
    for (const table of await tables.findInVpc(this.identity.vpc)) {
      const goal = { goal: 'delete', network, leased: new Set<string>(), removesBlackholes: false } as const;
      for (const change of planTableChanges({ table, own: this.#own(subnet), ...goal }))
        if ((await tables.apply(change, this.#own(subnet))) === 'changed') made.push(change);
    }
    return made;
  }

  [Symbol.dispose](): void {
    this.#parts.ec2[Symbol.dispose]();
  }

  /** Lets the interface carry packets of containers, which have addresses that are not its own. */
  async #prepareInterface(): Promise<VpcChange[]> {
    const { ec2 } = this.#parts;
    const { interface: id } = this.identity;
    const found = await ec2.readInterface(id);
    // AWS may permit to switch the check off without permitting to read it.
    if (found === null ? this.#isCheckOff : !found.hasCheck) return [];
    await ec2.switchCheckOff(id);
    this.#isCheckOff = true;
    return [{ change: 'switch-check-off' }];
  }

  async #reconcileTables(
    self: VpcNode,
    nodes: readonly VpcNode[],
    own: VpcTable,
    others: readonly VpcTable[],
  ): Promise<VpcState> {
    const tables = new Map([own, ...others].map((table) => [table.id, table]));
    const problems = (this.#parts.configured ?? [])
      .filter((id) => !tables.has(id))
      .map((id) => missingTable(id, this.identity));
    const changes: VpcChange[] = [];
    // An entry for this subnet, whatever it leads to, is a place in the table: replacing it needs no other.
    const published = (self.placement?.routes ?? []).filter((id) => tables.has(id));
    const entries = [...tables.values()].filter((table) => findRoute(table, self.subnet) !== undefined);
    const placement: VpcPlacement = {
      vpc: this.identity.vpc,
      vpcSubnet: this.identity.vpcSubnet,
      table: own.id,
      routes: [...new Set([...published, ...entries.map(({ id }) => id)])],
      prefix: false,
    };
    const placed: VpcNode = { ...self, placement };
    await this.#parts.capacities.update(tables, [placed, ...nodes]);
    const claims = this.#plan(placed, nodes);
    // Peers stop using a route when they see that it is no longer published: it is deleted a check later.
    const toWithdraw = claims.yield.filter((id) => published.includes(id));
    const held: string[] = [];
    for (const table of tables.values()) {
      const isClaimed = claims.hold.includes(table.id);
      const isUnused = claims.yield.includes(table.id) && !toWithdraw.includes(table.id);
      const plan = planTableChanges({
        table,
        own: this.#own(self.subnet),
        goal: isClaimed ? 'hold' : isUnused ? 'delete' : 'leave-as-is',
        network: this.#parts.network,
        leased: new Set(nodes.map(({ subnet }) => subnet)),
        removesBlackholes:
          !this.#checkedOnce || isFirst(placed, nodes) || !placement.routes.includes(table.id),
      });
      const applied = await this.#apply(plan, self.subnet, table, nodes);
      changes.push(...applied.made);
      problems.push(...applied.problems);
      if (isClaimed && applied.isHeld) held.push(table.id);
    }
    this.#checkedOnce = true;
    const active = own.routes.filter(({ blackhole }) => !blackhole);
    return {
      placement: { ...placement, routes: held.sort() },
      listed: new Set(active.map(({ destination }) => destination)),
      changes,
      // A removed blackhole is a free place.
      isUnfinished: toWithdraw.length > 0 || changes.some(({ change }) => change === 'remove-blackhole'),
      problems,
    };
  }

  #plan(self: VpcNode, nodes: readonly VpcNode[]): RouteClaims {
    const { capacities, configured } = this.#parts;
    return planRouteClaims({ self, nodes, capacities: capacities.byTable, configured });
  }

  #own(subnet: string): OwnTarget {
    return { subnet, interface: this.identity.interface, instance: this.identity.instance };
  }

  /** Tables beside the own one that may need the own route. */
  #tableIds(own: string, nodes: readonly VpcNode[]): string[] {
    const ids =
      this.#parts.configured ??
      nodes.flatMap(({ placement }) => (placement?.vpc === this.identity.vpc ? [placement.table] : []));
    return [...new Set(ids)].filter((id) => id !== own).sort();
  }

  async #apply(
    plan: readonly RouteChange[],
    subnet: string,
    table: VpcTable,
    nodes: readonly VpcNode[],
  ): Promise<{ made: RouteChange[]; problems: BarewireError[]; isHeld: boolean }> {
    const made: RouteChange[] = [];
    const problems: BarewireError[] = [];
    let isHeld = true;
    for (const change of plan) {
      const isOwn = change.change !== 'remove-blackhole';
      try {
        const outcome = await this.#parts.tables.apply(change, this.#own(subnet));
        if (outcome === 'changed') made.push(change);
        if (outcome === 'table-full') this.#parts.capacities.learnFull(table, nodes);
        if (isOwn && (outcome === 'table-full' || outcome === 'no-table')) isHeld = false;
      } catch (error) {
        problems.push(explainAwsError(ACTIONS[change.change], error));
        if (isOwn) isHeld = false;
      }
    }
    return { made, problems, isHeld };
  }
}

const ACTIONS = {
  create: 'ec2:CreateRoute',
  replace: 'ec2:ReplaceRoute',
  delete: 'ec2:DeleteRoute',
  'remove-blackhole': 'ec2:DeleteRoute',
} as const;

/** This node removes blackholes at its checks; others at their start, and when they wait for a place. */
const isFirst = (self: VpcNode, nodes: readonly VpcNode[]): boolean =>
  !nodes.some(({ placement, subnet }) => placement?.vpc === self.placement?.vpc && subnet < self.subnet);

const missingTable = (id: string, { vpc, region }: InstanceIdentity): BarewireError =>
  machineError(
    'cloud-refused',
    `No route table ${id} in ${region} for ${vpc}`,
    "Correct Backend.RouteTableID in the cluster's configuration.",
  );
