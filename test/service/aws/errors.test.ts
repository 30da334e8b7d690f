import { describe, expect, test, vi } from 'vitest';
import { BarewireError } from '../../../src/schema/index.js';
import { API_ONLY, endAfterEach, openNode, openVpc, setEnvironment } from './opened.js';
import { modelId } from './vpc-model.js';

const TABLE = modelId('rtb', 0);
const LOCAL = { destination: '172.31.0.0/16', target: 'local' };

describe('errors of AWS', () => {
  endAfterEach();

  test.each([
    ['ModifyNetworkInterfaceAttribute', 'all peers are reached by VXLAN'],
    ['DescribeRouteTables', 'No route is made'],
    ['CreateRoute', 'reach this node by VXLAN'],
  ])('name the permission %s and what follows without it', async (action, consequence) => {
    const vpc = await openVpc(API_ONLY);
    const node = await openNode(vpc, 'a', '10.50.1.0/24');
    vpc.ec2.denied.add(action);
    const { problems, placement } = await node.check();
    expect(problems[0]?.message).toContain(`AWS does not permit ec2:${action}.`);
    expect(problems[0]?.message).toContain(consequence);
    expect(problems[0]?.hint).toContain(`ec2:${action}`);
    expect(placement?.routes ?? []).toEqual([]);
    vpc.ec2.denied.clear();
    expect((await node.check()).placement?.routes).toEqual([TABLE]);
  });

  test.each([['ReplaceRoute'], ['DeleteRoute']])('name the permission %s', async (action) => {
    const vpc = await openVpc(API_ONLY);
    const other = await vpc.launch('a');
    const node = await openNode(vpc, 'a', '10.50.1.0/24');
    vpc.ec2.setRoutes(TABLE, [
      LOCAL,
      { destination: '10.50.1.0/24', target: other.interface },
      { destination: '10.50.9.0/24', target: modelId('eni', 99) },
    ]);
    vpc.ec2.denied.add(action);
    expect((await node.check()).problems.map(({ message }) => message)).toEqual([
      expect.stringContaining(`AWS does not permit ec2:${action}.`) as string,
    ]);
    expect(node.lease.placement?.routes).toEqual(action === 'ReplaceRoute' ? [] : [TABLE]);
  });

  test('do not include a missing right to read the check: it is switched off once', async () => {
    const vpc = await openVpc(API_ONLY);
    const node = await openNode(vpc, 'a', '10.50.1.0/24');
    vpc.ec2.denied.add('DescribeNetworkInterfaces');
    expect((await node.check()).problems).toEqual([]);
    await node.check();
    expect(vpc.ec2.count('ModifyNetworkInterfaceAttribute')).toBe(1);
  });

  test('of throttling pass after retries, and end after five attempts', async () => {
    const vpc = await openVpc(API_ONLY);
    const node = await openNode(vpc, 'a', '10.50.1.0/24');
    // The SDK waits a random part of up to 8 s between attempts.
    const random = vi.spyOn(Math, 'random').mockReturnValue(0.01);
    try {
      vpc.ec2.throttle('CreateRoute', 4);
      expect((await node.check()).problems).toEqual([]);
      expect(vpc.ec2.count('CreateRoute')).toBe(5);
      vpc.ec2.throttle('DescribeRouteTables', Infinity);
      const before = vpc.ec2.count('DescribeRouteTables');
      const { problems, placement } = await node.check();
      expect(problems[0]?.message).toContain('5 times in a row: RequestLimitExceeded');
      expect(vpc.ec2.count('DescribeRouteTables') - before).toBe(5);
      // The route is still there.
      expect(placement?.routes).toEqual([TABLE]);
    } finally {
      random.mockRestore();
    }
  });

  test('say that EC2 is not reachable', async () => {
    const vpc = await openVpc(API_ONLY);
    const node = await openNode(vpc, 'a', '10.50.1.0/24', { config: { Endpoint: 'http://127.0.0.1:9' } });
    const { problems } = await node.check();
    expect(problems[0]).toBeInstanceOf(BarewireError);
    expect(problems[0]).toMatchObject({ code: 'host-unreachable' });
  });

  test('say which table of the configuration does not exist', async () => {
    const vpc = await openVpc(API_ONLY);
    const node = await openNode(vpc, 'a', '10.50.1.0/24', { config: { RouteTableID: 'rtb-99999999' } });
    expect((await node.check()).problems[0]?.message).toContain('No route table rtb-99999999');
  });
});

describe('the SDK', () => {
  endAfterEach();

  test('takes the endpoint from AWS_ENDPOINT_URL and credentials from the metadata service', async () => {
    const vpc = await openVpc(API_ONLY);
    const probe = await vpc.launch('a');
    setEnvironment({
      AWS_ACCESS_KEY_ID: undefined,
      AWS_SECRET_ACCESS_KEY: undefined,
      AWS_ENDPOINT_URL: vpc.endpoint,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: probe.metadataUrl,
      HOME: '/nonexistent',
    });
    const node = await openNode(vpc, 'a', '10.50.1.0/24', { config: { Endpoint: undefined } });
    expect((await node.check()).problems).toEqual([]);
    expect([...vpc.ec2.authorizations].every((value) => value.includes('ASIAFROMMETADATA'))).toBe(true);
  });
});
