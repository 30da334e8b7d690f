import { isInside, parseRange } from './cidr.js';
import type { VpcRoute, VpcTable } from './vpc-types.js';

/** This node as the target of routes. */
export interface OwnTarget {
  readonly subnet: string;
  readonly interface: string;
  readonly instance: string;
}

/** One change to a route table, in the order in which they are made. */
export interface RouteChange {
  readonly change: 'create' | 'replace' | 'delete' | 'remove-blackhole';
  readonly table: string;
  readonly destination: string;
}

export interface TablePlanInput {
  readonly table: VpcTable;
  readonly own: OwnTarget;
  /** `delete` removes the own route, if it leads here. */
  readonly goal: 'hold' | 'delete' | 'leave-as-is';
  /** The cluster's network. */
  readonly network: string;
  /** Subnets with a lease: their nodes correct their routes themselves. */
  readonly leased: ReadonlySet<string>;
  readonly removesBlackholes: boolean;
}

export const findRoute = (table: VpcTable, destination: string): VpcRoute | undefined =>
  table.routes.find((route) => route.destination === destination && !route.propagated);

/** A route of EC2 names its interface; other implementations of the API name the instance only. */
export const leadsTo = (route: VpcRoute, own: OwnTarget): boolean =>
  route.interface === own.interface || (route.interface === null && route.instance === own.instance);

/** Compares a table with what this node wants. Routes of others stay, but for blackholes inside the network. */
export function planTableChanges({
  table,
  own,
  goal,
  network,
  leased,
  removesBlackholes,
}: TablePlanInput): RouteChange[] {
  const range = parseRange(network);
  const dead = table.routes.filter(
    (route) =>
      removesBlackholes &&
      route.blackhole &&
      !route.propagated &&
      (route.interface !== null || route.instance !== null) &&
      route.destination !== own.subnet &&
      !leased.has(route.destination) &&
      isInside(parseRange(route.destination), range),
  );
  return [
    // First, because the own route may need the place.
    ...dead.map(({ destination }): RouteChange => ({
      change: 'remove-blackhole',
      table: table.id,
      destination,
    })),
    ...planOwnRoute(findRoute(table, own.subnet), own, goal).map((change): RouteChange => ({
      change,
      table: table.id,
      destination: own.subnet,
    })),
  ];
}

function planOwnRoute(
  route: VpcRoute | undefined,
  own: OwnTarget,
  goal: TablePlanInput['goal'],
): ('create' | 'replace' | 'delete')[] {
  if (goal === 'leave-as-is') return [];
  if (goal === 'delete') return route !== undefined && leadsTo(route, own) ? ['delete'] : [];
  if (route === undefined) return ['create'];
  return leadsTo(route, own) && !route.blackhole ? [] : ['replace'];
}
