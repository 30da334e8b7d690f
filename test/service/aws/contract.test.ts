import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openEc2 } from '../../../src/service/aws/ec2.js';
import { AWS_PERMISSIONS, iamPolicy } from '../../../src/service/aws/permissions.js';
import { parseRequest } from './ec2-contract.js';
import { endAfterEach, setEnvironment } from './opened.js';

const TARGET = { table: 'rtb-00000001', destination: '10.50.1.0/24', interface: 'eni-00000001' };
const PREFIX = { NetworkInterfaceId: 'eni-00000001', 'Ipv4Prefix.1': '172.31.0.16/28' };
const VERSION = 'Version=2016-11-15';

describe('requests of the node', () => {
  endAfterEach();
  const bodies: string[] = [];
  let server: Server;
  let endpoint = '';
  beforeEach(async () => {
    bodies.length = 0;
    setEnvironment({ AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'secret' });
    // Knows nothing of EC2's state: it records a request and answers that it succeeded.
    server = createServer((request, response) => {
      void text(request).then((body) => {
        bodies.push(body);
        const action = new URLSearchParams(body).get('Action');
        response.end(`<${action}Response><return>true</return></${action}Response>`);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  test('have each required parameter and no unknown one', async () => {
    using ec2 = await openEc2({ region: 'eu-west-1', endpoint });
    await ec2.describeRouteTables({ 'association.subnet-id': ['subnet-00000001'] });
    await ec2.describeRouteTables({ 'association.main': ['true'], 'vpc-id': ['vpc-00000001'] });
    await ec2.describeRouteTables({ 'route-table-id': ['rtb-00000001', 'rtb-00000002'] });
    await ec2.describeRouteTables({ 'vpc-id': ['vpc-00000001'] });
    await ec2.createRoute(TARGET);
    await ec2.replaceRoute(TARGET);
    await ec2.deleteRoute(TARGET);
    await ec2.readInterface('eni-00000001');
    await ec2.switchCheckOff('eni-00000001');
    await ec2.assignPrefix('eni-00000001', '172.31.0.16/28');
    await ec2.unassignPrefix('eni-00000001', '172.31.0.16/28');
    const requests = bodies.map((body) => {
      const { action, parameters } = parseRequest(body);
      return [action, Object.fromEntries(parameters)] as const;
    });
    expect(requests.slice(4)).toEqual([
      [
        'CreateRoute',
        {
          RouteTableId: 'rtb-00000001',
          DestinationCidrBlock: '10.50.1.0/24',
          NetworkInterfaceId: 'eni-00000001',
        },
      ],
      [
        'ReplaceRoute',
        {
          RouteTableId: 'rtb-00000001',
          DestinationCidrBlock: '10.50.1.0/24',
          NetworkInterfaceId: 'eni-00000001',
        },
      ],
      ['DeleteRoute', { RouteTableId: 'rtb-00000001', DestinationCidrBlock: '10.50.1.0/24' }],
      ['DescribeNetworkInterfaces', { 'NetworkInterfaceId.1': 'eni-00000001' }],
      [
        'ModifyNetworkInterfaceAttribute',
        { NetworkInterfaceId: 'eni-00000001', 'SourceDestCheck.Value': 'false' },
      ],
      ['AssignPrivateIpAddresses', PREFIX],
      ['UnassignPrivateIpAddresses', PREFIX],
    ]);
    // Each call is one that the policy allows.
    const allowed = AWS_PERMISSIONS.map(({ action }) => action);
    for (const [action] of requests) expect(allowed).toContain(`ec2:${action}`);
  });
});

describe('the contract', () => {
  const route = 'RouteTableId=rtb-00000001&DestinationCidrBlock=10.50.1.0%2F24';
  test.each([
    [
      'MissingParameter',
      `Action=CreateRoute&DestinationCidrBlock=10.0.0.0%2F24&NetworkInterfaceId=eni-00000001`,
    ],
    ['MissingParameter', `Action=CreateRoute&${route}`],
    [
      'InvalidParameterCombination',
      `Action=CreateRoute&${route}&NetworkInterfaceId=eni-00000001&InstanceId=i-00000001`,
    ],
    ['UnknownParameter', `Action=CreateRoute&${route}&NetworkInterfaceId=eni-00000001&Metric=1`],
    ['UnknownParameter', `Action=DeleteRoute&${route}&NetworkInterfaceId=eni-00000001`],
    [
      'InvalidRouteTableId.Malformed',
      `Action=DeleteRoute&RouteTableId=main&DestinationCidrBlock=10.0.0.0%2F24`,
    ],
    ['MissingParameter', `Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId=eni-00000001`],
    [
      'UnknownParameter',
      `Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId=eni-00000001&SourceDestCheck=false`,
    ],
    ['InvalidParameterValue', `Action=DescribeRouteTables&Filter.1.Name=subnet&Filter.1.Value.1=a`],
    ['InvalidParameterValue', `Action=DescribeRouteTables&MaxResults=101`],
    ['InvalidAction', 'Action=RemoveRoute'],
  ])('refuses with %s: %s', (code, body) => {
    expect(() => parseRequest(`${body}&${VERSION}`)).toThrow(expect.objectContaining({ code }) as Error);
  });
});

describe('the policy', () => {
  test('lists each action once, and changes of routes for the named tables only', () => {
    const policy = JSON.parse(
      iamPolicy({ region: 'eu-west-1', account: '123456789012', tables: ['rtb-1'] }),
    ) as { Statement: { Action: string[]; Resource: string[] }[] };
    expect(policy.Statement).toEqual([
      {
        Effect: 'Allow',
        Action: ['ec2:DescribeRouteTables', 'ec2:DescribeNetworkInterfaces', 'servicequotas:GetServiceQuota'],
        Resource: ['*'],
      },
      {
        Effect: 'Allow',
        Action: ['ec2:CreateRoute', 'ec2:ReplaceRoute', 'ec2:DeleteRoute'],
        Resource: ['arn:aws:ec2:eu-west-1:123456789012:route-table/rtb-1'],
      },
      {
        Effect: 'Allow',
        Action: ['ec2:ModifyNetworkInterfaceAttribute'],
        Resource: ['arn:aws:ec2:eu-west-1:123456789012:network-interface/*'],
      },
    ]);
  });
});
