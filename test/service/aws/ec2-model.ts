import { createServer, type IncomingMessage, type Server } from 'node:http';
import { text } from 'node:stream/consumers';
import { Ec2Fault, filtersOf, listOf, parseRequest, type Ec2Request } from './ec2-contract.js';
import { isInside, parseRange } from '../../../src/service/aws/cidr.js';
import { chooseBlock, freeBlocks, type PrefixSubnet } from './prefix-model.js';
import {
  answerQuota,
  assignedXml,
  interfacesXml,
  routeTablesXml,
  faultXml,
  returnXml,
} from './ec2-answers.js';

export interface ModelRoute {
  readonly destination: string;
  /** The id of an interface, or `local`. */
  readonly target: string;
}

export interface ModelTable {
  readonly id: string;
  readonly main: boolean;
  readonly subnets: readonly string[];
  readonly routes: readonly ModelRoute[];
}

export interface ModelInterface {
  readonly id: string;
  readonly instance: string;
  readonly subnet: string;
  readonly address: string;
  readonly mac: string;
  readonly sourceDestCheck: boolean;
  readonly prefixes: readonly string[];
}

export interface ModelVpc {
  readonly vpc: string;
  readonly range: string;
  readonly subnets: readonly (PrefixSubnet & { readonly id: string })[];
  readonly tables: readonly ModelTable[];
  readonly interfaces: readonly ModelInterface[];
}

/**
 * Amazon EC2 for one VPC: the query protocol with form-encoded requests and XML answers, a quota, listings that
 * lag behind, throttling, and refusals. `onChange` gets each new state, for the data plane.
 */
export class Ec2Model {
  /** Routes per table. */
  quota = 50;
  /** Listings show a change this much later; a route is not found for deletion before. */
  lagMs = 0;
  /** Addresses and prefixes of an interface together; of an m5.large. */
  perInterface = 10;
  /** What the Service Quotas API reports; null refuses. */
  reportedQuota: number | null = null;
  quotaRequests = 0;
  readonly denied = new Set<string>();
  /** Requests of each action, with repetitions. */
  readonly requests: Ec2Request[] = [];
  /** Called before the next request of an action is handled: for races. */
  readonly before = new Map<string, () => void>();
  readonly authorizations = new Set<string>();
  readonly #throttles = new Map<string, number>();
  readonly #onChange: (state: ModelVpc) => void;
  #state: ModelVpc;
  /** Past states with the time until which they were current. */
  readonly #past: { readonly state: ModelVpc; readonly until: number }[] = [];

  constructor(state: ModelVpc, onChange: (state: ModelVpc) => void = () => undefined) {
    this.#state = state;
    this.#onChange = onChange;
  }

  get state(): ModelVpc {
    return this.#state;
  }

  /** Answers the next `times` requests of an action with RequestLimitExceeded. */
  throttle(action: string, times: number): void {
    this.#throttles.set(action, times);
  }

  count(action: string): number {
    return this.requests.filter((request) => request.action === action).length;
  }

  routes(table: string): readonly ModelRoute[] {
    return this.#state.tables.find(({ id }) => id === table)?.routes ?? [];
  }

  setRoutes(table: string, routes: readonly ModelRoute[]): void {
    const tables = this.#state.tables.map((each) => (each.id === table ? { ...each, routes } : each));
    this.setState({ ...this.#state, tables });
  }

  setInterface(id: string, changed: Partial<ModelInterface>): void {
    const interfaces = this.#state.interfaces.map((each) =>
      each.id === id ? { ...each, ...changed } : each,
    );
    this.setState({ ...this.#state, interfaces });
  }

  setState(state: ModelVpc): void {
    this.#past.push({ state: this.#state, until: performance.now() });
    this.#state = state;
    this.#onChange(state);
  }

  server(): Server {
    return createServer((request, response) => {
      void this.#answer(request).then(({ status, type, body }) =>
        response.writeHead(status, { 'content-type': type }).end(body),
      );
    });
  }

  async #answer(request: IncomingMessage): Promise<{ status: number; type: string; body: string }> {
    const body = await text(request);
    this.authorizations.add(request.headers.authorization ?? 'none');
    if (request.headers['x-amz-target'] !== undefined) {
      this.quotaRequests++;
      return answerQuota(request.headers['x-amz-target'] as string, body, this.reportedQuota);
    }
    try {
      const parsed = parseRequest(body);
      this.requests.push(parsed);
      const { action } = parsed;
      const hook = this.before.get(action);
      this.before.delete(action);
      hook?.();
      const left = this.#throttles.get(action) ?? 0;
      this.#throttles.set(action, left - 1);
      if (left > 0) throw new Ec2Fault('RequestLimitExceeded', 'Request limit exceeded.', 503);
      if (this.denied.has(action))
        throw new Ec2Fault('UnauthorizedOperation', 'You are not authorized to perform this operation.', 403);
      return { status: 200, type: 'text/xml', body: this.#handle(parsed) };
    } catch (error) {
      if (!(error instanceof Ec2Fault)) throw error;
      return { status: error.status, type: 'text/xml', body: faultXml(error) };
    }
  }

  #handle({ action, parameters }: Ec2Request): string {
    const value = (name: string): string => parameters.get(name) ?? '';
    switch (action) {
      case 'DescribeRouteTables':
        return this.#describeTables(parameters);
      case 'DescribeNetworkInterfaces': {
        const ids = listOf(parameters, 'NetworkInterfaceId');
        for (const id of ids) this.#interface(id);
        return interfacesXml(
          this.#visible().interfaces.filter(({ id }) => ids.includes(id)),
          this.#state.vpc,
        );
      }
      case 'ModifyNetworkInterfaceAttribute':
        this.#interface(value('NetworkInterfaceId'));
        this.setInterface(value('NetworkInterfaceId'), {
          sourceDestCheck: value('SourceDestCheck.Value') === 'true',
        });
        return returnXml(action);
      case 'AssignPrivateIpAddresses':
        return assignedXml(action, this.#assign(parameters));
      case 'UnassignPrivateIpAddresses': {
        const { id, prefixes } = this.#interface(value('NetworkInterfaceId'));
        const named = listOf(parameters, 'Ipv4Prefix');
        const foreign = named.find((prefix) => !prefixes.includes(prefix));
        if (foreign !== undefined)
          throw new Ec2Fault('InvalidParameterValue', `${foreign} is not assigned to ${id}`);
        this.setInterface(id, { prefixes: prefixes.filter((prefix) => !named.includes(prefix)) });
        return returnXml(action);
      }
      case 'CreateRoute':
      case 'ReplaceRoute':
      case 'DeleteRoute':
        this.#changeRoute(action, value('RouteTableId'), {
          destination: value('DestinationCidrBlock'),
          target: value('NetworkInterfaceId') || value('InstanceId'),
        });
        return returnXml(action);
      default:
        throw new Ec2Fault('InvalidAction', `The model lacks ${action}`);
    }
  }

  /** Assigns the named prefixes, or one that is free. */
  #assign(parameters: ReadonlyMap<string, string>): readonly string[] {
    const { id, prefixes, subnet: subnetId } = this.#interface(parameters.get('NetworkInterfaceId') ?? '');
    const subnet = this.#state.subnets.find((each) => each.id === subnetId);
    if (subnet === undefined) throw new Error(`no subnet ${subnetId}`);
    const there = this.#state.interfaces.filter((each) => each.subnet === subnetId);
    const occupancy = {
      addresses: new Set(there.map(({ address }) => parseRange(`${address}/32`).first)),
      prefixes: new Set(there.flatMap((each) => each.prefixes)),
    };
    if (1 + prefixes.length >= this.perInterface)
      throw new Ec2Fault('PrivateIpAddressLimitExceeded', `The limit of ${id} is ${this.perInterface}`);
    const named = listOf(parameters, 'Ipv4Prefix');
    const taken = named.find((prefix) => !freeBlocks(subnet, occupancy).includes(prefix));
    if (taken !== undefined) throw new Ec2Fault('InvalidParameterValue', `${taken} is not available`);
    const added = named.length > 0 ? named : [chooseBlock(subnet, occupancy, Math.random)];
    this.setInterface(id, { prefixes: [...prefixes, ...added] });
    return added;
  }

  #changeRoute(action: string, tableId: string, route: ModelRoute): void {
    const table = this.#state.tables.find(({ id }) => id === tableId);
    if (table === undefined)
      throw new Ec2Fault('InvalidRouteTableID.NotFound', `The routeTable ID '${tableId}' does not exist`);
    const { destination } = route;
    const others = table.routes.filter((each) => each.destination !== destination);
    const exists = others.length < table.routes.length;
    if (action === 'DeleteRoute') {
      const seen = this.#visible().tables.find(({ id }) => id === tableId)?.routes ?? [];
      if (!exists || !seen.some((each) => each.destination === destination))
        throw new Ec2Fault(
          'InvalidRoute.NotFound',
          `no route with destination-cidr-block ${destination} in route table ${tableId}`,
        );
      this.setRoutes(tableId, others);
      return;
    }
    this.#interface(route.target);
    if (isInside(parseRange(destination), parseRange(this.#state.range)))
      throw new Ec2Fault('InvalidParameterValue', `${destination} is inside of the VPC's own addresses`);
    if (action === 'CreateRoute' && exists)
      throw new Ec2Fault('RouteAlreadyExists', `The route identified by ${destination} already exists.`);
    if (action === 'ReplaceRoute' && !exists)
      throw new Ec2Fault(
        'InvalidParameterValue',
        `There is no route defined for '${destination}' in the route table. Use CreateRoute instead.`,
      );
    if (action === 'CreateRoute' && table.routes.length >= this.quota)
      throw new Ec2Fault('RouteLimitExceeded', 'The maximum number of routes has been reached.');
    this.setRoutes(tableId, [...others, route]);
  }

  #interface(id: string): ModelInterface {
    const found = this.#state.interfaces.find((each) => each.id === id);
    if (found !== undefined) return found;
    throw new Ec2Fault(
      'InvalidNetworkInterfaceID.NotFound',
      `The networkInterface ID '${id}' does not exist`,
    );
  }

  /** The state as listings show it. */
  #visible(): ModelVpc {
    const now = performance.now() - this.lagMs;
    return this.#past.find(({ until }) => until > now)?.state ?? this.#state;
  }

  #describeTables(parameters: ReadonlyMap<string, string>): string {
    const { tables, vpc } = this.#visible();
    const ids = listOf(parameters, 'RouteTableId');
    const unknown = ids.find((id) => !tables.some((table) => table.id === id));
    if (unknown !== undefined)
      throw new Ec2Fault('InvalidRouteTableID.NotFound', `The routeTable ID '${unknown}' does not exist`);
    const matching = tables.filter(
      (table) =>
        (ids.length === 0 || ids.includes(table.id)) &&
        [...filtersOf(parameters)].every(([name, values]) =>
          FILTERS[name]?.(table, vpc).some((value) => values.includes(value)),
        ),
    );
    const start = Number(parameters.get('NextToken') ?? '0');
    const end = start + Number(parameters.get('MaxResults') ?? matching.length);
    return routeTablesXml(
      matching.slice(start, end),
      this.#state,
      end < matching.length ? String(end) : undefined,
    );
  }
}

const FILTERS: Readonly<Record<string, (table: ModelTable, vpc: string) => readonly string[]>> = {
  'association.subnet-id': ({ subnets }) => subnets,
  'association.main': ({ main }) => [String(main)],
  'vpc-id': (_table, vpc) => [vpc],
  'route-table-id': ({ id }) => [id],
};
