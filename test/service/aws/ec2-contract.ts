/**
 * The parameters of each action of Amazon EC2 (API version 2016-11-15) that a node uses, from the API reference.
 * Stricter than EC2 in one point: an id of another form is malformed here, where EC2 may look it up first.
 */

/** An error response of EC2. */
export class Ec2Fault extends Error {
  readonly code: string;
  readonly status: number;
  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

interface ActionContract {
  readonly required: readonly string[];
  /** Of each list, exactly one. */
  readonly oneOf: readonly (readonly string[])[];
  readonly optional: readonly string[];
  readonly filters?: readonly string[];
}

const DESTINATIONS = ['DestinationCidrBlock', 'DestinationIpv6CidrBlock', 'DestinationPrefixListId'];
const TARGETS = [
  ...['CarrierGatewayId', 'CoreNetworkArn', 'EgressOnlyInternetGatewayId', 'GatewayId', 'InstanceId'],
  ...['LocalGatewayId', 'NatGatewayId', 'NetworkInterfaceId', 'OdbNetworkArn', 'TransitGatewayId'],
  ...['VpcEndpointId', 'VpcPeeringConnectionId'],
];
const LISTING = ['DryRun', 'MaxResults', 'NextToken', 'Filter.N.Name', 'Filter.N.Value.N'];

/** `N` stands for 1, 2, … */
const CONTRACTS: Readonly<Record<string, ActionContract>> = {
  CreateRoute: { required: ['RouteTableId'], oneOf: [DESTINATIONS, TARGETS], optional: ['DryRun'] },
  ReplaceRoute: {
    required: ['RouteTableId'],
    oneOf: [DESTINATIONS, [...TARGETS, 'LocalTarget']],
    optional: ['DryRun'],
  },
  DeleteRoute: { required: ['RouteTableId'], oneOf: [DESTINATIONS], optional: ['DryRun'] },
  DescribeRouteTables: {
    required: [],
    oneOf: [],
    optional: [...LISTING, 'RouteTableId.N'],
    filters: [
      ...['association.gateway-id', 'association.main', 'association.route-table-association-id'],
      ...['association.route-table-id', 'association.subnet-id', 'owner-id', 'route.destination-cidr-block'],
      ...['route.gateway-id', 'route.instance-id', 'route.nat-gateway-id', 'route.origin', 'route.state'],
      ...['route-table-id', 'tag-key', 'vpc-id'],
    ],
  },
  DescribeNetworkInterfaces: {
    required: [],
    oneOf: [],
    optional: [...LISTING, 'NetworkInterfaceId.N', 'IncludeManagedResources'],
    filters: ['attachment.instance-id', 'addresses.private-ip-address', 'network-interface-id', 'vpc-id'],
  },
  ModifyNetworkInterfaceAttribute: {
    required: ['NetworkInterfaceId'],
    // EC2 changes one attribute per call.
    oneOf: [['SourceDestCheck.Value', 'Description.Value', 'SecurityGroupId.1', 'Attachment.AttachmentId']],
    optional: ['DryRun'],
  },
  AssignPrivateIpAddresses: {
    required: ['NetworkInterfaceId'],
    oneOf: [['Ipv4Prefix.N', 'Ipv4PrefixCount', 'PrivateIpAddress.N', 'SecondaryPrivateIpAddressCount']],
    optional: ['AllowReassignment'],
  },
  UnassignPrivateIpAddresses: {
    required: ['NetworkInterfaceId'],
    oneOf: [['Ipv4Prefix.N', 'PrivateIpAddress.N']],
    optional: [],
  },
};

const CIDR = /^(\d{1,3}\.){3}\d{1,3}\/\d{1,2}$/;
const FORMS: Readonly<Record<string, readonly [RegExp, string]>> = {
  RouteTableId: [/^rtb-[0-9a-f]{8,17}$/, 'InvalidRouteTableId.Malformed'],
  'RouteTableId.N': [/^rtb-[0-9a-f]{8,17}$/, 'InvalidRouteTableId.Malformed'],
  NetworkInterfaceId: [/^eni-[0-9a-f]{8,17}$/, 'InvalidNetworkInterfaceId.Malformed'],
  'NetworkInterfaceId.N': [/^eni-[0-9a-f]{8,17}$/, 'InvalidNetworkInterfaceId.Malformed'],
  DestinationCidrBlock: [CIDR, 'InvalidParameterValue'],
  'Ipv4Prefix.N': [CIDR, 'InvalidParameterValue'],
  'SourceDestCheck.Value': [/^(true|false)$/, 'InvalidParameterValue'],
  DryRun: [/^(true|false)$/, 'InvalidParameterValue'],
  MaxResults: [/^([5-9]|[1-9]\d|100)$/, 'InvalidParameterValue'],
};

export interface Ec2Request {
  readonly action: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** Parses the body of a request. Throws `Ec2Fault` for what EC2 would refuse before it looks at its state. */
export function parseRequest(body: string): Ec2Request {
  const parameters = new Map(new URLSearchParams(body));
  const [action, version] = [parameters.get('Action') ?? '', parameters.get('Version')];
  const contract = CONTRACTS[action];
  if (contract === undefined) throw new Ec2Fault('InvalidAction', `The action ${action} is not valid`);
  if (version !== '2016-11-15') throw new Ec2Fault('NoSuchVersion', `The API version ${version} is unknown`);
  parameters.delete('Action');
  parameters.delete('Version');

  const known = [...contract.required, ...contract.oneOf.flat(), ...contract.optional];
  const names = [...parameters.keys()].map((name) => name.replace(/\.\d+(?=\.|$)/g, '.N'));
  for (const [at, name] of names.entries()) {
    const given = [...parameters.keys()][at] ?? '';
    if (!known.includes(name) && !known.includes(given))
      throw new Ec2Fault('UnknownParameter', `The parameter ${given} is not recognized`);
    const [form, code] = FORMS[name] ?? [];
    const value = parameters.get(given) ?? '';
    if (form?.test(value) === false)
      throw new Ec2Fault(code ?? '', `Value (${value}) for ${given} is invalid`);
    if (name === 'Filter.N.Name' && contract.filters?.includes(value) !== true)
      throw new Ec2Fault('InvalidParameterValue', `The filter '${value}' is invalid`);
  }
  for (const name of contract.required)
    if (!names.includes(name))
      throw new Ec2Fault('MissingParameter', `The request must contain the parameter ${name}`);
  for (const choice of contract.oneOf) {
    const chosen = new Set(names.filter((name) => choice.includes(name)));
    if (chosen.size === 0)
      throw new Ec2Fault('MissingParameter', `The request must contain one of ${choice.join(', ')}`);
    if (chosen.size > 1)
      throw new Ec2Fault('InvalidParameterCombination', `Only one of ${[...chosen].join(', ')} is allowed`);
  }
  if (names.includes('MaxResults') && names.some((name) => /^(RouteTable|NetworkInterface)Id\.N$/.test(name)))
    throw new Ec2Fault('InvalidParameterCombination', 'MaxResults cannot be combined with ids');
  return { action, parameters };
}

/** Filters of a request: name → values. */
export function filtersOf(parameters: ReadonlyMap<string, string>): Map<string, string[]> {
  const filters = new Map<string, string[]>();
  for (const [key, name] of parameters) {
    const number = /^Filter\.(\d+)\.Name$/.exec(key)?.[1];
    if (number !== undefined) filters.set(name, listOf(parameters, `Filter.${number}.Value`));
  }
  return filters;
}

/** The values of `NAME.1`, `NAME.2`, … */
export const listOf = (parameters: ReadonlyMap<string, string>, name: string): string[] =>
  [...parameters].flatMap(([key, value]) =>
    key.startsWith(`${name}.`) && /^\d+$/.test(key.slice(name.length + 1)) ? [value] : [],
  );
