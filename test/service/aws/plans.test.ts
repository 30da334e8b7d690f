import { describe, expect, test } from 'vitest';
import { planRouteClaims } from '../../../src/service/aws/claims.js';
import { readVpcConfig } from '../../../src/service/aws/config.js';
import { planVpcPeers } from '../../../src/service/aws/peers.js';
import {
  printPlacement,
  readPlacement,
  type VpcNode,
  type VpcPlacement,
} from '../../../src/service/aws/placement.js';

const placement = (subnet: string, changed: Partial<VpcPlacement> = {}): VpcPlacement => ({
  vpc: 'vpc-1',
  vpcSubnet: subnet,
  table: 'rtb-1',
  routes: [],
  prefix: false,
  ...changed,
});
const node = (
  at: number,
  own: VpcPlacement | null,
  vtepMac: string | null = '02:00:00:00:00:01',
): VpcNode => ({
  subnet: `10.50.${at}.0/24`,
  publicIp: `172.31.0.${at}`,
  vtepMac,
  placement: own,
});

describe('the path to a peer', () => {
  const here = node(1, placement('a'));
  const vxlan = { method: 'vxlan', nodeAddress: '172.31.0.2', vtepMac: '02:00:00:00:00:01' };
  test.each([
    ['in the same VPC subnet', here, node(2, placement('a')), { method: 'host-gw', gateway: '172.31.0.2' }],
    [
      'with a route in this table',
      here,
      node(2, placement('b', { routes: ['rtb-1'] })),
      { method: 'vpc-route' },
    ],
    ['with a route in another table', here, node(2, placement('b', { routes: ['rtb-2'] })), vxlan],
    ['without a route', here, node(2, placement('b')), vxlan],
    ['of another VPC', here, node(2, placement('a', { vpc: 'vpc-2', routes: ['rtb-1'] })), vxlan],
    ['with a delegated prefix', here, node(2, placement('b', { prefix: true })), { method: 'vpc-prefix' }],
    ['that runs stock vxlan', here, node(2, null), vxlan],
    ['from a node whose check is on', node(1, null), node(2, placement('a')), vxlan],
    [
      'that accepts no VXLAN',
      here,
      node(2, placement('b'), null),
      { method: 'unreachable', reason: 'no-vxlan-there' },
    ],
    [
      'without VXLAN here',
      node(1, placement('a'), null),
      node(2, placement('b')),
      { method: 'unreachable', reason: 'no-vxlan-here' },
    ],
  ])('%s', (_name, self, peer, expected) => {
    expect(planVpcPeers({ self, peers: [peer] }).get(peer.subnet)).toEqual(expected);
  });

  test('that runs stock aws-vpc is its route in the table', () => {
    const stock = node(2, null, null);
    const plan = (listed: readonly string[]) =>
      planVpcPeers({ self: here, peers: [stock], listed: new Set(listed) }).get(stock.subnet)?.method;
    expect([plan([]), plan([stock.subnet])]).toEqual(['unreachable', 'vpc-route']);
  });
});

describe('claims', () => {
  const plan = (self: VpcNode, nodes: VpcNode[], capacity: number) =>
    planRouteClaims({ self, nodes, capacities: new Map([['rtb-1', capacity]]), configured: null }).hold;
  const waiting = [2, 3, 4].map((at) => node(at, placement(at % 2 === 0 ? 'a' : 'b')));

  test('of free places go to the first who wait, and each node finds the same ones', () => {
    const holders = waiting.filter(
      (self) =>
        plan(
          self,
          waiting.filter((other) => other !== self),
          2,
        ).length > 0,
    );
    expect(holders.map(({ subnet }) => subnet)).toEqual(['10.50.2.0/24', '10.50.3.0/24']);
  });

  test('of a holder stay when the table has more routes than it should', () => {
    const holder = node(9, placement('a', { routes: ['rtb-1'] }));
    expect(plan(holder, waiting, 0)).toEqual(['rtb-1']);
  });

  test('of a node whose check is on, or with a delegated prefix, are none', () => {
    expect(plan(node(1, null), waiting, 50)).toEqual([]);
    expect(plan(node(1, placement('a', { prefix: true })), waiting, 50)).toEqual([]);
  });
});

describe('the placement in a lease', () => {
  test('is read as it was printed, beside the fields of stock', () => {
    const own = placement('a', { routes: ['rtb-1', 'rtb-2'] });
    const data = JSON.parse(
      JSON.stringify({ VNI: 1, VtepMAC: 'da:8a:00:00:00:01', Aws: printPlacement(own) }),
    ) as unknown;
    expect(readPlacement(data)).toEqual(own);
  });

  test.each([[null], [undefined], [{ VNI: 1 }], [{ Aws: { VpcID: 7 } }], ['text']])(
    'is none in %j',
    (data) => {
      expect(readPlacement(data)).toBeNull();
    },
  );
});

describe('the configuration', () => {
  test('takes RouteTableID as a string or a list, in any case, and leaves other keys alone', () => {
    expect(readVpcConfig({ Type: 'aws-vpc', RouteTableID: 'rtb-1', VNI: 1 })).toEqual({
      tables: ['rtb-1'],
      quota: null,
      reserve: 5,
      encapsulate: 'auto',
      region: null,
      endpoint: null,
    });
    expect(readVpcConfig({ routeTableId: ['rtb-1', 'rtb-2'], ENCAPSULATE: 'never' })).toMatchObject({
      tables: ['rtb-1', 'rtb-2'],
      reserve: 0,
    });
  });

  test('names the key of a bad value', () => {
    expect(() => readVpcConfig({ RouteQuota: 0 })).toThrow(/Backend\.RouteQuota/);
    expect(() => readVpcConfig({ RouteTableID: 7 })).toThrow(/Backend\.RouteTableID/);
  });
});
