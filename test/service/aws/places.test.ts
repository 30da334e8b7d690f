import { describe, expect, test } from 'vitest';
import { API_ONLY, endAfterEach, openNode, openVpc, type TestNode } from './opened.js';
import { modelId } from './vpc-model.js';

const TABLE = modelId('rtb', 0);
const FIRST = modelId('eni', 0);
const LOCAL = { destination: '172.31.0.0/16', target: 'local' };

describe('the quota', () => {
  endAfterEach();
  const filler = (count: number) =>
    Array.from({ length: count }, (_, at) => ({ destination: `10.60.${at}.0/24`, target: FIRST }));

  test('that AWS reports is kept, with room for others', async () => {
    const vpc = await openVpc(API_ONLY);
    vpc.ec2.reportedQuota = 50;
    const node = await openNode(vpc, 'a', '10.50.1.0/24');
    vpc.ec2.setRoutes(TABLE, [LOCAL, ...filler(44)]);
    expect((await node.check()).placement?.routes).toEqual([]);
    expect(vpc.ec2.count('CreateRoute')).toBe(0);
    vpc.ec2.setRoutes(TABLE, [LOCAL, ...filler(43)]);
    expect((await node.check()).placement?.routes).toEqual([TABLE]);
  });

  test('of the configuration holds when AWS does not report one', async () => {
    const vpc = await openVpc(API_ONLY);
    const node = await openNode(vpc, 'a', '10.50.1.0/24', { config: { RouteQuota: 10, RouteReserve: 0 } });
    vpc.ec2.setRoutes(TABLE, [LOCAL, ...filler(9)]);
    expect((await node.check()).placement?.routes).toEqual([]);
    expect(vpc.ec2.count('CreateRoute')).toBe(0);
  });

  test('is learned from a refusal, which is not repeated', async () => {
    const vpc = await openVpc(API_ONLY);
    const node = await openNode(vpc, 'a', '10.50.1.0/24');
    vpc.ec2.setRoutes(TABLE, [LOCAL, ...filler(49)]);
    const { problems, placement } = await node.check();
    expect([problems, placement?.routes]).toEqual([[], []]);
    await node.check();
    expect(vpc.ec2.count('CreateRoute')).toBe(1);
    vpc.ec2.setRoutes(TABLE, [LOCAL, ...filler(48)]);
    expect((await node.check()).placement?.routes).toEqual([TABLE]);
  });
});

describe('a full table', () => {
  endAfterEach();

  test('gives the place of a terminated node to one that waits', async () => {
    const vpc = await openVpc({ subnets: ['a', 'b'], tables: [['a', 'b']], isApiOnly: true });
    vpc.ec2.quota = 2;
    const first = await openNode(vpc, 'a', '10.50.0.0/24');
    const holder = await openNode(vpc, 'a', '10.50.1.0/24');
    const waiting = await openNode(vpc, 'b', '10.50.2.0/24');
    await holder.check([first, waiting]);
    await waiting.check([first, holder]);
    expect([holder, waiting].map(({ lease }) => lease.placement?.routes)).toEqual([[TABLE], []]);
    expect(waiting.backend.isOutOfDate(waiting.lease, [holder.lease])).toBe(false);

    vpc.terminate(holder.instance);
    expect(waiting.backend.isOutOfDate(waiting.lease, [])).toBe(true);
    expect(await waiting.check([])).toMatchObject({
      changes: [{ change: 'remove-blackhole', destination: '10.50.1.0/24' }],
      isUnfinished: true,
    });
    await waiting.check([]);
    expect(waiting.lease.placement?.routes).toEqual([TABLE]);
  });

  test('costs a node that joins five calls, and none until a place is free', async () => {
    const vpc = await openVpc({ subnets: ['a', 'b'], tables: [['a'], ['b']], isApiOnly: true });
    vpc.ec2.quota = 2;
    vpc.ec2.reportedQuota = 2;
    const config = { RouteReserve: 0 };
    const holder = await openNode(vpc, 'a', '10.50.1.0/24', { config });
    const joining = await openNode(vpc, 'b', '10.50.2.0/24', { config });
    await holder.check([]);
    const quotaCalls = vpc.ec2.quotaRequests;
    await joining.check([holder]);
    const calls = { 'ec2:DescribeNetworkInterfaces': 1, 'ec2:ModifyNetworkInterfaceAttribute': 1 };
    expect(Object.fromEntries(joining.backend.apiCalls)).toEqual({ ...calls, 'ec2:DescribeRouteTables': 2 });
    expect(vpc.ec2.quotaRequests - quotaCalls).toBe(1);
    expect(joining.backend.isOutOfDate(joining.lease, [holder.lease])).toBe(false);
  });

  test('is left by a route that no node sends by, after peers saw that it is withdrawn', async () => {
    const vpc = await openVpc({ subnets: ['a', 'b'], tables: [['a'], ['b']], isApiOnly: true });
    vpc.ec2.reportedQuota = 3;
    const config = { RouteReserve: 0 };
    const nodes = [
      await openNode(vpc, 'a', '10.50.1.0/24', { config }),
      await openNode(vpc, 'a', '10.50.2.0/24', { config }),
      await openNode(vpc, 'b', '10.50.3.0/24', { config }),
    ];
    const [one, two, other] = nodes as [TestNode, TestNode, TestNode];
    await one.check([two, other]);
    await two.check([one, other]);
    await other.check([one, two]);
    // The table of subnet a has the routes of its own two nodes, which they do not need.
    const withdrawn = await one.check([two, other]);
    expect(withdrawn.isUnfinished).toBe(true);
    expect(withdrawn.placement?.routes).not.toContain(TABLE);
    expect(vpc.ec2.routes(TABLE).map(({ destination }) => destination)).toContain('10.50.1.0/24');
    expect((await one.check([two, other])).changes).toEqual([
      { change: 'delete', table: TABLE, destination: '10.50.1.0/24' },
    ]);
    await other.check([one, two]);
    expect(other.lease.placement?.routes).toEqual([TABLE]);
  });
});

describe('a network inside the VPC', () => {
  endAfterEach();
  const leased = '172.31.8.16/28';

  test('is one of prefixes that AWS delegates to the interface, without a route', async () => {
    const vpc = await openVpc(API_ONLY);
    const node = await openNode(vpc, 'a', leased, { network: '172.31.0.0/16' });
    expect(node.backend.leaseRange).toBe('172.31.0.0/20');
    expect((await node.check()).changes).toEqual([{ change: 'assign-prefix' }]);
    expect(node.lease.placement).toMatchObject({ prefix: true, routes: [] });
    expect(vpc.ec2.count('DescribeRouteTables') + vpc.ec2.count('ModifyNetworkInterfaceAttribute')).toBe(0);
    expect(vpc.ec2.state.interfaces[0]).toMatchObject({ prefixes: [leased], sourceDestCheck: true });
    expect((await node.check()).changes).toEqual([]);
    expect(vpc.ec2.routes(TABLE)).toEqual([LOCAL]);
    await node.backend.release(node.lease.subnet);
    expect(vpc.ec2.state.interfaces[0]?.prefixes).toEqual([]);
  });

  test('is refused without /28 leases, or when it contains more than the VPC', async () => {
    const vpc = await openVpc(API_ONLY);
    await expect(openNode(vpc, 'a', '172.31.8.0/24', { network: '172.31.0.0/16' })).rejects.toThrow(
      'SubnetLen must be 28, got 24',
    );
    await expect(openNode(vpc, 'a', '172.31.8.0/24', { network: '172.0.0.0/8' })).rejects.toThrow(
      'overlaps 172.31.0.0/16',
    );
  });

  test('names the permission that delegation needs', async () => {
    const vpc = await openVpc(API_ONLY);
    const node = await openNode(vpc, 'a', leased, { network: '172.31.0.0/16' });
    vpc.ec2.denied.add('AssignPrivateIpAddresses');
    const { problems, placement } = await node.check();
    expect(problems[0]?.message).toContain('AWS does not permit ec2:AssignPrivateIpAddresses.');
    expect(placement).toBeNull();
  });
});
