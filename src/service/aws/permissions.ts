/** What a command or the agent does with each permission, and what follows without it. */
interface Permission {
  readonly action: string;
  readonly use: string;
  readonly without: string;
  /** The resource that a policy can limit the action to. */
  readonly resource: 'all' | 'route-table' | 'network-interface';
  /** The minimal policy leaves out what a node does without. */
  readonly need: 'required' | 'optional' | 'prefix';
}

export const AWS_PERMISSIONS = [
  {
    action: 'ec2:DescribeRouteTables',
    use: 'find the route tables of the VPC subnets and the routes in them',
    without: 'No route is made, and peers in other VPC subnets are reached by VXLAN.',
    resource: 'all',
    need: 'required',
  },
  {
    action: 'ec2:DescribeNetworkInterfaces',
    use: 'read whether the source/destination check is off, and the prefixes of the interface',
    without:
      'The check is switched off at each start, whether it is on or not; with prefix delegation the node does not start.',
    resource: 'all',
    need: 'optional',
  },
  {
    action: 'ec2:ModifyNetworkInterfaceAttribute',
    use: 'switch the source/destination check off',
    without:
      'AWS drops all packets that containers send or receive without encapsulation, and all peers are reached by VXLAN.',
    resource: 'network-interface',
    need: 'required',
  },
  {
    action: 'ec2:CreateRoute',
    use: "make the route to this node's subnet",
    without: 'Peers in other VPC subnets reach this node by VXLAN.',
    resource: 'route-table',
    need: 'required',
  },
  {
    action: 'ec2:ReplaceRoute',
    use: "correct a route to this node's subnet that leads elsewhere",
    without: 'A wrong route stays, and packets by it do not arrive.',
    resource: 'route-table',
    need: 'required',
  },
  {
    action: 'ec2:DeleteRoute',
    use: "remove this node's route on leave, and routes of terminated instances",
    without: 'Routes of nodes that left stay and count against the quota.',
    resource: 'route-table',
    need: 'required',
  },
  {
    action: 'servicequotas:GetServiceQuota',
    use: 'read how many routes a table takes',
    without: 'The quota is taken from `RouteQuota`, or learned when AWS refuses a route.',
    resource: 'all',
    need: 'optional',
  },
  {
    action: 'ec2:AssignPrivateIpAddresses',
    use: 'delegate a /28 prefix to the interface',
    without: 'The node cannot use prefix delegation.',
    resource: 'network-interface',
    need: 'prefix',
  },
  {
    action: 'ec2:UnassignPrivateIpAddresses',
    use: 'return the prefix on leave',
    without: 'The prefix stays assigned until the interface is deleted.',
    resource: 'network-interface',
    need: 'prefix',
  },
] as const satisfies readonly Permission[];

export type AwsAction = (typeof AWS_PERMISSIONS)[number]['action'];

export interface PolicyScope {
  readonly partition?: string;
  readonly region?: string;
  readonly account?: string;
  /** Route tables that nodes may change. Omit it for all of them. */
  readonly tables?: readonly string[];
  readonly prefixes?: boolean;
}

/** The smallest IAM policy with which a node does everything, as the document to paste. */
export function iamPolicy({
  partition = 'aws',
  region = '*',
  account = '*',
  tables = ['*'],
  prefixes = false,
}: PolicyScope = {}): string {
  const arn = (kind: string, id: string): string => `arn:${partition}:ec2:${region}:${account}:${kind}/${id}`;
  const resources = {
    all: ['*'],
    'route-table': tables.map((table) => arn('route-table', table)),
    'network-interface': [arn('network-interface', '*')],
  };
  const statements = (['all', 'route-table', 'network-interface'] as const).map((kind) => ({
    Effect: 'Allow',
    Action: AWS_PERMISSIONS.filter(
      ({ resource, need }) => resource === kind && (need !== 'prefix' || prefixes),
    ).map(({ action }) => action),
    Resource: resources[kind],
  }));
  return JSON.stringify({ Version: '2012-10-17', Statement: statements }, null, 2);
}
