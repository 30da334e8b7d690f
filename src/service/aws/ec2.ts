import type * as Sdk from '@aws-sdk/client-ec2';
import { userError } from '../../schema/index.js';
import { awsCode, explainAwsError } from './ec2-errors.js';
import type { RouteTarget, VpcInterface, VpcRoute, VpcTable } from './vpc-types.js';
import type { AwsAction } from './permissions.js';

export interface Ec2Options {
  readonly region: string;
  readonly endpoint: string | null;
  readonly signal?: AbortSignal | undefined;
}

/** When EC2 throttles, the SDK's standard mode waits up to 1, 2, 4 and 8 s between attempts: 15 s at most. */
const ATTEMPTS = 5;

/** The calls of EC2 that a node makes. Outcomes that a caller has to handle are values, others are thrown. */
export type Ec2 = Awaited<ReturnType<typeof openEc2>>;

/** Loads the SDK, which takes 0.2 s and 40 MB of disk: so only for a node that uses it. */
export async function openEc2({ region, endpoint, signal }: Ec2Options) {
  const sdk = await import('@aws-sdk/client-ec2').catch((cause: unknown) => {
    throw userError(
      'The backend aws-vpc requires the package @aws-sdk/client-ec2, which is not installed.',
      'Install Barewire without `--omit=optional`, or run `npm install @aws-sdk/client-ec2` in its folder.',
      { cause },
    );
  });
  // Without an endpoint here, the SDK reads AWS_ENDPOINT_URL_EC2 and AWS_ENDPOINT_URL.
  const client = new sdk.EC2Client({
    region,
    maxAttempts: ATTEMPTS,
    retryMode: 'standard',
    ...(endpoint === null ? {} : { endpoint }),
  });
  const options = signal === undefined ? {} : { abortSignal: signal };
  const counts = new Map<AwsAction, number>();

  async function send<T>(action: AwsAction, call: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    counts.set(action, (counts.get(action) ?? 0) + 1);
    try {
      return await call();
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  }

  async function change<T>(
    action: AwsAction,
    call: () => Promise<unknown>,
    outcomes: Readonly<Record<string, T>>,
    done: T,
  ): Promise<T> {
    try {
      await send(action, call);
      return done;
    } catch (error) {
      const outcome = outcomes[awsCode(error)];
      if (outcome !== undefined) return outcome;
      throw explainAwsError(action, error);
    }
  }

  return {
    /** Calls made so far, by action: retries of one call count once. */
    counts: counts as ReadonlyMap<AwsAction, number>,

    /** Lists tables that match all filters. Changes of the last seconds may be missing. */
    async describeRouteTables(filters: Readonly<Record<string, readonly string[]>>): Promise<VpcTable[]> {
      try {
        return await send('ec2:DescribeRouteTables', () => listTables(sdk, client, filters, options));
      } catch (error) {
        throw explainAwsError('ec2:DescribeRouteTables', error);
      }
    },

    createRoute: ({ table, destination, interface: target }: RouteTarget) =>
      change<'created' | 'exists' | 'table-full' | 'no-table'>(
        'ec2:CreateRoute',
        () =>
          client.send(
            new sdk.CreateRouteCommand({
              RouteTableId: table,
              DestinationCidrBlock: destination,
              NetworkInterfaceId: target,
            }),
            options,
          ),
        {
          RouteAlreadyExists: 'exists',
          RouteLimitExceeded: 'table-full',
          'InvalidRouteTableID.NotFound': 'no-table',
        },
        'created',
      ),

    replaceRoute: ({ table, destination, interface: target }: RouteTarget) =>
      change<'replaced' | 'no-route'>(
        'ec2:ReplaceRoute',
        () =>
          client.send(
            new sdk.ReplaceRouteCommand({
              RouteTableId: table,
              DestinationCidrBlock: destination,
              NetworkInterfaceId: target,
            }),
            options,
          ),
        {
          'InvalidRoute.NotFound': 'no-route',
          // EC2's answer to ReplaceRoute for a destination that the table does not have.
          InvalidParameterValue: 'no-route',
        },
        'replaced',
      ),

    deleteRoute: ({ table, destination }: Omit<RouteTarget, 'interface'>) =>
      change<'deleted' | 'no-route'>(
        'ec2:DeleteRoute',
        () =>
          client.send(
            new sdk.DeleteRouteCommand({ RouteTableId: table, DestinationCidrBlock: destination }),
            options,
          ),
        { 'InvalidRoute.NotFound': 'no-route', 'InvalidRouteTableID.NotFound': 'no-route' },
        'deleted',
      ),

    /** Null when AWS does not permit to ask: what has to be done is then done without asking. */
    async readInterface(id: string): Promise<VpcInterface | null> {
      const action = 'ec2:DescribeNetworkInterfaces';
      try {
        const { NetworkInterfaces: [found] = [] } = await send(action, () =>
          client.send(new sdk.DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [id] }), options),
        );
        return {
          hasCheck: found?.SourceDestCheck ?? true,
          prefixes: (found?.Ipv4Prefixes ?? []).map(({ Ipv4Prefix }) => Ipv4Prefix ?? ''),
        };
      } catch (error) {
        // Some implementations of the API lack the action.
        if (['UnauthorizedOperation', 'InvalidAction'].includes(awsCode(error))) return null;
        throw explainAwsError(action, error);
      }
    },

    switchCheckOff: (id: string) =>
      change<true>(
        'ec2:ModifyNetworkInterfaceAttribute',
        () =>
          client.send(
            new sdk.ModifyNetworkInterfaceAttributeCommand({
              NetworkInterfaceId: id,
              SourceDestCheck: { Value: false },
            }),
            options,
          ),
        {},
        true,
      ),

    assignPrefix: (id: string, prefix: string) =>
      change<true>(
        'ec2:AssignPrivateIpAddresses',
        () =>
          client.send(
            new sdk.AssignPrivateIpAddressesCommand({ NetworkInterfaceId: id, Ipv4Prefixes: [prefix] }),
            options,
          ),
        {},
        true,
      ),

    /** Lets AWS choose the prefix. `no-block`: no 16 free addresses are aligned; `no-addresses`: there are not so many. */
    async assignAnyPrefix(
      id: string,
    ): Promise<{ readonly prefix: string } | 'no-block' | 'no-addresses' | 'interface-full'> {
      const action = 'ec2:AssignPrivateIpAddresses';
      try {
        const { AssignedIpv4Prefixes: [assigned] = [] } = await send(action, () =>
          client.send(
            new sdk.AssignPrivateIpAddressesCommand({ NetworkInterfaceId: id, Ipv4PrefixCount: 1 }),
            options,
          ),
        );
        return { prefix: assigned?.Ipv4Prefix ?? '' };
      } catch (error) {
        const code = awsCode(error);
        if (code === 'InsufficientCidrBlocks') return 'no-block';
        if (code === 'PrivateIpAddressLimitExceeded') return 'interface-full';
        // The code says no more than that a value is wrong.
        if (code === 'InvalidParameterValue' && String(error).includes('sufficient free'))
          return 'no-addresses';
        throw explainAwsError(action, error);
      }
    },

    unassignPrefix: (id: string, prefix: string) =>
      change<true>(
        'ec2:UnassignPrivateIpAddresses',
        () =>
          client.send(
            new sdk.UnassignPrivateIpAddressesCommand({ NetworkInterfaceId: id, Ipv4Prefixes: [prefix] }),
            options,
          ),
        {},
        true,
      ),

    [Symbol.dispose]: () => client.destroy(),
  };
}

async function listTables(
  { paginateDescribeRouteTables }: Pick<typeof Sdk, 'paginateDescribeRouteTables'>,
  client: Sdk.EC2Client,
  filters: Readonly<Record<string, readonly string[]>>,
  options: { readonly abortSignal?: AbortSignal },
): Promise<VpcTable[]> {
  const list: Sdk.Filter[] = Object.entries(filters).map(([Name, Values]) => ({ Name, Values: [...Values] }));
  const tables: VpcTable[] = [];
  // EC2 returns at most 100 tables per page.
  for await (const page of paginateDescribeRouteTables({ client, pageSize: 100 }, { Filters: list }, options))
    tables.push(...(page.RouteTables ?? []).map(readTable));
  return tables;
}

function readTable({ RouteTableId = '', VpcId = '', Routes = [] }: Sdk.RouteTable): VpcTable {
  const routes = Routes.flatMap((route): VpcRoute[] =>
    route.DestinationCidrBlock === undefined
      ? []
      : [
          {
            destination: route.DestinationCidrBlock,
            interface: route.NetworkInterfaceId ?? null,
            instance: route.InstanceId ?? null,
            blackhole: route.State === 'blackhole',
            propagated: route.Origin === 'EnableVgwRoutePropagation',
          },
        ],
  );
  const prefixLists = Routes.filter(({ DestinationPrefixListId }) => DestinationPrefixListId !== undefined);
  return {
    id: RouteTableId,
    vpc: VpcId,
    routes,
    counted: routes.filter(({ propagated }) => !propagated).length + prefixLists.length,
  };
}
