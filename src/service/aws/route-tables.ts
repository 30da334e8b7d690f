import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { machineError } from '../../schema/index.js';
import type { Ec2 } from './ec2.js';
import type { VpcRoute, VpcTable } from './vpc-types.js';
import { findRoute, leadsTo, type OwnTarget, type RouteChange } from './table-plan.js';

/** A change of this process, which listings may not show yet. A null route was deleted. */
interface OwnChange {
  readonly route: VpcRoute | null;
  /** What the last listing before the change had. */
  readonly before: VpcRoute | undefined;
  readonly at: number;
}

/** What came of a change. A place in a full table is a matter of the plan, not an error. */
export type ChangeOutcome = 'changed' | 'unchanged' | 'table-full' | 'no-table';

/** A name of EC2 may take this many values in a filter. */
const FILTER_VALUES = 200;

/**
 * Lists and changes route tables through an interface that is consistent only in the end: a listing shows
 * this process's own changes, also before EC2's listings do.
 */
export class RouteTables {
  readonly #changes = new Map<string, OwnChange>();
  /** The last listing of each table. */
  readonly #listed = new Map<string, VpcTable>();
  readonly #ec2: Ec2;
  readonly #settleMs: number;
  readonly #signal: AbortSignal | undefined;

  /** EC2's listings show a change within `settleMs`. */
  constructor(ec2: Ec2, settleMs: number, signal?: AbortSignal) {
    this.#ec2 = ec2;
    this.#settleMs = settleMs;
    this.#signal = signal;
  }

  /** The table that routes what a VPC subnet sends: its own, or the VPC's main one. */
  async findForSubnet(vpc: string, vpcSubnet: string): Promise<VpcTable> {
    const [explicit] = await this.#list({ 'association.subnet-id': [vpcSubnet] });
    const [main] =
      explicit === undefined ? await this.#list({ 'association.main': ['true'], 'vpc-id': [vpc] }) : [];
    const table = explicit ?? main;
    if (table !== undefined) return table;
    throw machineError(
      'host-unsupported',
      `The VPC subnet ${vpcSubnet} has no route table, and ${vpc} no main one`,
      'Set Backend.RouteTableID in the configuration of the cluster.',
    );
  }

  /** Lists tables by id; those that do not exist are missing. */
  async find(ids: readonly string[]): Promise<VpcTable[]> {
    const tables: VpcTable[] = [];
    for (let at = 0; at < ids.length; at += FILTER_VALUES)
      tables.push(...(await this.#list({ 'route-table-id': ids.slice(at, at + FILTER_VALUES) })));
    return tables;
  }

  /** Lists all tables of a VPC. */
  findInVpc(vpc: string): Promise<VpcTable[]> {
    return this.#list({ 'vpc-id': [vpc] });
  }

  /** Makes one change of a plan. */
  async apply({ change, table, destination }: RouteChange, own: OwnTarget): Promise<ChangeOutcome> {
    if (change === 'create' || change === 'replace') return this.#lead(table, own, change);
    const known = this.#changes.get(`${table} ${destination}`)?.route;
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
      const outcome = await this.#ec2.deleteRoute({ table, destination });
      // EC2 may not find yet what this process made a moment ago.
      if (
        outcome === 'deleted' ||
        known === undefined ||
        known === null ||
        !this.#isRecent(table, destination)
      ) {
        this.#remember(table, destination, null);
        return outcome === 'deleted' ? 'changed' : 'unchanged';
      }
      await delay(waitMs, undefined, { signal: this.#signal });
    }
  }

  /** Makes the table's route to the own subnet lead here, whatever other processes do meanwhile. */
  async #lead(table: string, own: OwnTarget, first: 'create' | 'replace'): Promise<ChangeOutcome> {
    const target = { table, destination: own.subnet, interface: own.interface };
    const made: VpcRoute = {
      destination: own.subnet,
      interface: own.interface,
      instance: own.instance,
      blackhole: false,
      propagated: false,
    };
    let next = first;
    for (let attempt = 0; attempt < RACE_ATTEMPTS; attempt++) {
      const outcome =
        next === 'create' ? await this.#ec2.createRoute(target) : await this.#ec2.replaceRoute(target);
      switch (outcome) {
        case 'created':
        case 'replaced':
          this.#remember(table, own.subnet, made);
          return 'changed';
        case 'table-full':
        case 'no-table':
          return outcome;
        case 'no-route':
          next = 'create';
          break;
        case 'exists': {
          const route = await this.#waitUntilListed(table, own.subnet);
          if (route !== undefined && leadsTo(route, own) && !route.blackhole) return 'unchanged';
          next = 'replace';
        }
      }
    }
    throw machineError(
      'timed-out',
      `The route to ${own.subnet} in ${table} appeared and disappeared ${RACE_ATTEMPTS} times while this node set it`,
      'Find what else changes routes of this subnet: two nodes with one lease, or an older flanneld.',
    );
  }

  /** Waits until a listing has the route that EC2 says exists; undefined when none had it in time. */
  async #waitUntilListed(table: string, destination: string): Promise<VpcRoute | undefined> {
    const until = performance.now() + this.#settleMs;
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
      this.#changes.delete(`${table} ${destination}`);
      const [listed] = await this.find([table]);
      const route = listed && findRoute(listed, destination);
      if (route !== undefined || performance.now() > until) return route;
      await delay(waitMs, undefined, { signal: this.#signal });
    }
  }

  #remember(table: string, destination: string, route: VpcRoute | null): void {
    const listed = this.#listed.get(table);
    const before = listed && findRoute(listed, destination);
    this.#changes.set(`${table} ${destination}`, { route, before, at: performance.now() });
  }

  #isRecent(table: string, destination: string): boolean {
    const change = this.#changes.get(`${table} ${destination}`);
    return change !== undefined && performance.now() - change.at < this.#settleMs;
  }

  async #list(filters: Readonly<Record<string, readonly string[]>>): Promise<VpcTable[]> {
    return (await this.#ec2.describeRouteTables(filters)).map((table) => this.#withOwnChanges(table));
  }

  /** A listing that still shows what was before a change gets the change; another one is news. */
  #withOwnChanges(table: VpcTable): VpcTable {
    this.#listed.set(table.id, table);
    let { routes, counted } = table;
    for (const [key, { route, before }] of this.#changes) {
      const [id, destination = ''] = key.split(' ');
      if (id !== table.id) continue;
      const listed = findRoute(table, destination);
      if (!this.#isRecent(table.id, destination) || !isDeepStrictEqual(listed, before)) {
        this.#changes.delete(key);
        continue;
      }
      routes = [...routes.filter((other) => other !== listed), ...(route === null ? [] : [route])];
      counted += (route === null ? 0 : 1) - (listed === undefined ? 0 : 1);
    }
    return { ...table, routes, counted };
  }
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5_000;
/** Create and replace may each find that another process was faster. */
const RACE_ATTEMPTS = 4;
