import { describe, expect, test } from 'vitest';
import { API_ONLY, endAfterEach, openNode, openVpc } from './opened.js';
import { modelId } from './vpc-model.js';

const TABLE = modelId('rtb', 0);
const FIRST = modelId('eni', 0);
const LOCAL = { destination: '172.31.0.0/16', target: 'local' };
const mutations = ['CreateRoute', 'ReplaceRoute', 'DeleteRoute', 'ModifyNetworkInterfaceAttribute'];

describe('the own route', () => {
  endAfterEach();

  test('is made once, and a second check changes nothing', async () => {
    const vpc = await openVpc(API_ONLY);
    const node = await openNode(vpc, 'a', '10.50.1.0/24');
    const first = await node.check();
    expect(first.problems).toEqual([]);
    expect(first.changes).toEqual([
      { change: 'switch-check-off' },
      { change: 'create', table: TABLE, destination: '10.50.1.0/24' },
    ]);
    expect(first.placement?.routes).toEqual([TABLE]);
    expect(vpc.ec2.routes(TABLE)).toEqual([LOCAL, { destination: '10.50.1.0/24', target: FIRST }]);
    const before = vpc.ec2.requests.length;
    expect((await node.check()).changes).toEqual([]);
    const second = vpc.ec2.requests.slice(before).map(({ action }) => action);
    expect(second.filter((action) => mutations.includes(action))).toEqual([]);
    expect(node.backend.isOutOfDate(node.lease, [])).toBe(false);
  });

  test('is replaced when it leads elsewhere, never deleted and created', async () => {
    const vpc = await openVpc(API_ONLY);
    await vpc.launch('a');
    const node = await openNode(vpc, 'a', '10.50.1.0/24');
    vpc.ec2.setRoutes(TABLE, [LOCAL, { destination: '10.50.1.0/24', target: FIRST }]);
    expect((await node.check()).changes).toContainEqual({
      change: 'replace',
      table: TABLE,
      destination: '10.50.1.0/24',
    });
    expect(vpc.ec2.routes(TABLE)).toEqual([
      LOCAL,
      { destination: '10.50.1.0/24', target: modelId('eni', 1) },
    ]);
    expect(vpc.ec2.count('DeleteRoute') + vpc.ec2.count('CreateRoute')).toBe(0);
  });

  test('of a lease whose former node is terminated is replaced', async () => {
    const vpc = await openVpc(API_ONLY);
    const former = await vpc.launch('a');
    const node = await openNode(vpc, 'a', '10.50.1.0/24');
    vpc.ec2.setRoutes(TABLE, [LOCAL, { destination: '10.50.1.0/24', target: FIRST }]);
    vpc.terminate(former);
    await node.check();
    expect(vpc.ec2.routes(TABLE)[1]?.target).toBe(modelId('eni', 1));
    expect(vpc.ec2.count('DeleteRoute')).toBe(0);
  });

  test('is made in each table of RouteTableID, and in no other', async () => {
    const vpc = await openVpc({ subnets: ['a', 'b', 'c'], tables: [['a'], ['b'], ['c']], isApiOnly: true });
    const config = { routetableid: [modelId('rtb', 1), modelId('rtb', 2)] };
    const node = await openNode(vpc, 'a', '10.50.1.0/24', { config });
    await node.check();
    expect([0, 1, 2].map((at) => vpc.ec2.routes(modelId('rtb', at)).length)).toEqual([1, 2, 2]);
  });

  test('is made in the main table when the subnet has none', async () => {
    const vpc = await openVpc({ subnets: ['a'], tables: [[], []], isApiOnly: true });
    const node = await openNode(vpc, 'a', '10.50.1.0/24');
    expect((await node.check()).placement?.table).toBe(TABLE);
  });

  test('is made in the tables of the other nodes', async () => {
    const vpc = await openVpc({ subnets: ['a', 'b'], tables: [['a'], ['b']], isApiOnly: true });
    const one = await openNode(vpc, 'a', '10.50.1.0/24');
    const two = await openNode(vpc, 'b', '10.50.2.0/24');
    await one.check();
    await two.check([one]);
    expect(one.backend.isOutOfDate(one.lease, [two.lease])).toBe(true);
    await one.check([two]);
    expect(one.lease.placement?.routes).toEqual([TABLE, modelId('rtb', 1)]);
    expect(two.lease.placement?.routes).toEqual([TABLE, modelId('rtb', 1)]);
  });

  test('is removed on leave only where it leads to this node', async () => {
    const vpc = await openVpc({ subnets: ['a', 'b'], tables: [['a'], ['b']], isApiOnly: true });
    const config = { RouteTableID: [TABLE, modelId('rtb', 1)] };
    const node = await openNode(vpc, 'a', '10.50.1.0/24', { config });
    const other = await vpc.launch('a');
    await node.check();
    const taken = { destination: '10.50.1.0/24', target: other.interface };
    vpc.ec2.setRoutes(modelId('rtb', 1), [LOCAL, taken]);
    expect(await node.backend.release(node.lease.subnet)).toEqual([
      { change: 'delete', table: TABLE, destination: '10.50.1.0/24' },
    ]);
    expect(vpc.ec2.routes(TABLE)).toEqual([LOCAL]);
    expect(vpc.ec2.routes(modelId('rtb', 1))).toEqual([LOCAL, taken]);
  });
});

describe('routes of others', () => {
  endAfterEach();

  test('stay, but for blackholes inside the network without a lease', async () => {
    const vpc = await openVpc(API_ONLY);
    const peer = await openNode(vpc, 'a', '10.50.7.0/24');
    const node = await openNode(vpc, 'a', '10.50.1.0/24');
    const gone = modelId('eni', 99);
    const kept = [
      { destination: '10.50.2.0/24', target: peer.instance.interface },
      { destination: '10.51.0.0/24', target: gone },
      { destination: '10.50.7.0/24', target: gone },
      { destination: '0.0.0.0/0', target: gone },
      { destination: '10.0.0.0/8', target: gone },
    ];
    vpc.ec2.setRoutes(TABLE, [LOCAL, ...kept, { destination: '10.50.3.0/24', target: gone }]);
    const { changes } = await node.check([peer]);
    expect(changes).toContainEqual({
      change: 'remove-blackhole',
      table: TABLE,
      destination: '10.50.3.0/24',
    });
    expect(vpc.ec2.routes(TABLE)).toEqual([
      LOCAL,
      ...kept,
      { destination: '10.50.1.0/24', target: node.instance.interface },
    ]);
  });
});

describe('listings that lag behind', () => {
  endAfterEach();

  test('do not make the node repeat a change', async () => {
    const vpc = await openVpc(API_ONLY);
    const node = await openNode(vpc, 'a', '10.50.1.0/24');
    vpc.ec2.lagMs = 60_000;
    await node.check();
    await node.check();
    expect(vpc.ec2.count('CreateRoute')).toBe(1);
    expect(node.lease.placement?.routes).toEqual([TABLE]);
  });

  test('are waited for when AWS says that the route exists', async () => {
    const vpc = await openVpc(API_ONLY);
    const node = await openNode(vpc, 'a', '10.50.1.0/24');
    vpc.ec2.lagMs = 400;
    vpc.ec2.setRoutes(TABLE, [LOCAL, { destination: '10.50.1.0/24', target: FIRST }]);
    const { changes, problems } = await node.check();
    expect([changes.filter(({ change }) => change !== 'switch-check-off'), problems]).toEqual([[], []]);
    expect(vpc.ec2.count('ReplaceRoute')).toBe(0);
    expect(node.lease.placement?.routes).toEqual([TABLE]);
  });

  test('do not keep a new route from being removed on leave', async () => {
    const vpc = await openVpc(API_ONLY);
    const node = await openNode(vpc, 'a', '10.50.1.0/24');
    vpc.ec2.lagMs = 400;
    await node.check();
    await node.backend.release(node.lease.subnet);
    expect(vpc.ec2.routes(TABLE)).toEqual([LOCAL]);
    expect(vpc.ec2.count('DeleteRoute')).toBeGreaterThan(1);
  });

  test('may miss that another process made or removed the route', async () => {
    const vpc = await openVpc(API_ONLY);
    const other = await vpc.launch('a');
    const node = await openNode(vpc, 'a', '10.50.1.0/24');
    const wrong = { destination: '10.50.1.0/24', target: other.interface };
    // Made between the listing and CreateRoute; then removed between the listing and ReplaceRoute.
    vpc.ec2.before.set('CreateRoute', () => vpc.ec2.setRoutes(TABLE, [LOCAL, wrong]));
    vpc.ec2.before.set('ReplaceRoute', () => vpc.ec2.setRoutes(TABLE, [LOCAL]));
    expect((await node.check()).problems).toEqual([]);
    expect(vpc.ec2.routes(TABLE)).toEqual([LOCAL, { ...wrong, target: node.instance.interface }]);
  });
});
