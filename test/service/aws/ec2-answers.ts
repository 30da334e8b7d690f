import type { Ec2Fault } from './ec2-contract.js';
import type { ModelInterface, ModelTable, ModelVpc } from './ec2-model.js';

const escape = (value: string): string =>
  value.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
const element = (name: string, value: string | undefined): string =>
  value === undefined ? '' : `<${name}>${escape(value)}</${name}>`;
const items = <T>(name: string, list: readonly T[], print: (item: T) => string): string =>
  `<${name}>${list.map((item) => `<item>${print(item)}</item>`).join('')}</${name}>`;
const response = (action: string, body: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>
<${action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>00000000-0000-0000-0000-000000000000</requestId>${body}</${action}Response>`;

export const returnXml = (action: string): string => response(action, '<return>true</return>');

export const assignedXml = (action: string, prefixes: readonly string[]): string =>
  response(
    action,
    `<return>true</return>${items('assignedIpv4PrefixSet', prefixes, (prefix) => element('ipv4Prefix', prefix))}`,
  );

export const faultXml = ({ code, message }: Ec2Fault): string =>
  `<?xml version="1.0" encoding="UTF-8"?>
<Response><Errors><Error>${element('Code', code)}${element('Message', message)}</Error></Errors><RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>`;

export function routeTablesXml(tables: readonly ModelTable[], vpc: ModelVpc, nextToken?: string): string {
  return response(
    'DescribeRouteTables',
    items(
      'routeTableSet',
      tables,
      ({ id, main, subnets, routes }) =>
        element('routeTableId', id) +
        element('vpcId', vpc.vpc) +
        items('routeSet', routes, ({ destination, target }) => {
          const found = vpc.interfaces.find((each) => each.id === target);
          const isLocal = target === 'local';
          return (
            element('destinationCidrBlock', destination) +
            element('gatewayId', isLocal ? 'local' : undefined) +
            element('instanceId', found?.instance) +
            element('networkInterfaceId', isLocal ? undefined : target) +
            element('state', isLocal || found !== undefined ? 'active' : 'blackhole') +
            element('origin', isLocal ? 'CreateRouteTable' : 'CreateRoute')
          );
        }) +
        items(
          'associationSet',
          [...(main ? [undefined] : []), ...subnets],
          (subnet) =>
            element('routeTableId', id) +
            element('subnetId', subnet) +
            element('main', String(subnet === undefined)),
        ),
    ) + element('nextToken', nextToken),
  );
}

export const interfacesXml = (interfaces: readonly ModelInterface[], vpc: string): string =>
  response(
    'DescribeNetworkInterfaces',
    items(
      'networkInterfaceSet',
      interfaces,
      ({ id, subnet, address, mac, sourceDestCheck, prefixes }) =>
        element('networkInterfaceId', id) +
        element('subnetId', subnet) +
        element('vpcId', vpc) +
        element('macAddress', mac) +
        element('privateIpAddress', address) +
        element('sourceDestCheck', String(sourceDestCheck)) +
        items('ipv4PrefixSet', prefixes, (prefix) => element('ipv4Prefix', prefix)),
    ),
  );

/** The Service Quotas API, which speaks JSON. */
export function answerQuota(
  target: string,
  body: string,
  quota: number | null,
): { status: number; type: string; body: string } {
  const answer = (status: number, value: object): { status: number; type: string; body: string } => ({
    status,
    type: 'application/x-amz-json-1.1',
    body: JSON.stringify(value),
  });
  const { ServiceCode, QuotaCode } = JSON.parse(body) as Record<string, string>;
  if (target !== 'ServiceQuotasV20190624.GetServiceQuota') return answer(400, { __type: 'UnknownOperation' });
  if (quota === null) return answer(400, { __type: 'AccessDeniedException', Message: 'not authorized' });
  return ServiceCode === 'vpc' && QuotaCode === 'L-93826ACB'
    ? answer(200, { Quota: { ServiceCode, QuotaCode, Value: quota } })
    : answer(400, { __type: 'NoSuchResourceException', Message: 'no such quota' });
}
