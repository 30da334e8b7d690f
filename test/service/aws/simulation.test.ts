import { describe, expect, test } from 'vitest';
import { planVpcPeers } from '../../../src/service/aws/peers.js';
import { readFileSync } from 'node:fs';
import { tableRows } from '../../docs/table-rows.js';
import { seeded, VpcSimulation } from './simulation.js';

const documented = tableRows(readFileSync(new URL('../../../docs/aws-vpc.md', import.meta.url), 'utf8'));
const FOREIGN = 3;
const RESERVE = 5;
/** Six VPC subnets of three tables: two in each. */
const TABLES = [0, 0, 1, 1, 2, 2];

/** Paths of all ordered pairs, by method. */
function countPaths({ nodes }: VpcSimulation): Record<string, number> {
  const all = [...nodes.values()];
  const counts: Record<string, number> = {};
  for (const self of all)
    for (const path of planVpcPeers({ self, peers: all.filter((peer) => peer !== self) }).values())
      counts[path.method] = (counts[path.method] ?? 0) + 1;
  return counts;
}

/** A route is used only where the table has it: what a node concludes from leases must be so. */
function assertRoutesExist({ nodes, tables }: VpcSimulation): void {
  for (const { subnet, placement } of nodes.values())
    for (const table of placement.routes) expect(tables.get(table)?.has(subnet)).toBe(true);
}

describe.each([
  { quota: 50, held: 42 },
  { quota: 500, held: 492 },
])('1,000 nodes with a quota of $quota', ({ quota, held }) => {
  const random = seeded(quota);
  const cluster = new VpcSimulation({
    nodes: 1_000,
    tableOf: TABLES,
    quota,
    foreign: FOREIGN,
    reserve: RESERVE,
    random,
  });

  test('each pair has a path, no table exceeds its quota, and the shares are those of docs/aws-vpc.md', () => {
    cluster.settle();
    assertRoutesExist(cluster);
    for (const routes of cluster.tables.values()) expect(routes.size).toBe(held);
    const { 'host-gw': near = 0, 'vpc-route': routed = 0, vxlan = 0, ...rest } = countPaths(cluster);
    expect(rest).toEqual({});
    expect(near + routed + vxlan).toBe(1_000 * 999);
    // Holders are spread over the VPC subnets at random.
    expect(routed / (routed + vxlan)).toBeCloseTo(held / 1_000, 1);
    const shares = [near, routed, vxlan].map((pairs) => `${Math.round(pairs / 9_990)} %`);
    expect(documented).toContain([quota, `${held} per table`, ...shares].join(' | '));
  });

  test('a change of one node changes at most one route per table, and no holder loses its route', () => {
    const costs: { calls: number; changes: number }[] = [];
    for (let event = 0; event < 20; event++) {
      const before = new Map([...cluster.nodes].map(([subnet, { placement }]) => [subnet, placement.routes]));
      const joins = random() < 0.5;
      // Half of those that leave have a route, which few have with the small quota.
      const subnets = [...cluster.nodes.values()]
        .filter(({ placement }) => event % 2 === 0 || placement.routes.length > 0)
        .map(({ subnet }) => subnet);
      const gone = joins ? null : (subnets[Math.floor(random() * subnets.length)] ?? null);
      let removed = 0;
      if (gone === null) cluster.join();
      else {
        removed = cluster.leave(gone, random() < 0.5);
        removed += cluster.removeBlackholes();
      }
      const cost = cluster.settle();
      const freed = gone === null ? 0 : (before.get(gone)?.length ?? 0);
      expect(removed).toBe(freed);
      // Tables are full: a place is taken exactly when one was left.
      expect(cost.changes).toBe(freed);
      for (const [subnet, routes] of before)
        if (subnet !== gone)
          expect(cluster.nodes.get(subnet)?.placement.routes).toEqual(expect.arrayContaining([...routes]));
      for (const routes of cluster.tables.values()) expect(routes.size).toBe(held);
      costs.push({ calls: cost.calls, changes: cost.changes + removed });
    }
    assertRoutesExist(cluster);
    expect(Math.max(...costs.map(({ changes }) => changes))).toBeLessThanOrEqual(2 * 3);
    expect(Math.max(...costs.map(({ calls }) => calls))).toBeLessThanOrEqual(3 * (3 + 1) + 3);
  });

  test('nodes that come back after an outage of a third of the cluster share the places', () => {
    const gone = [...cluster.nodes.keys()].filter(() => random() < 1 / 3);
    for (const subnet of gone) cluster.leave(subnet, false);
    cluster.removeBlackholes();
    cluster.settle();
    for (const _ of gone) cluster.join();
    cluster.settle();
    assertRoutesExist(cluster);
    for (const routes of cluster.tables.values()) expect(routes.size).toBe(held);
    expect(Object.keys(countPaths(cluster)).sort()).toEqual(['host-gw', 'vpc-route', 'vxlan']);
  });
});

describe('nodes with old views of the leases', () => {
  test('race for places: AWS refuses some of them, each pair has a path, and no table exceeds its quota', () => {
    const random = seeded(7);
    const cluster = new VpcSimulation({
      nodes: 300,
      tableOf: TABLES,
      quota: 50,
      foreign: FOREIGN,
      reserve: 0,
      stale: 0.5,
      random,
    });
    cluster.settle();
    for (let event = 0; event < 10; event++) {
      const holders = [...cluster.nodes.values()].filter(({ placement }) => placement.routes.length > 0);
      for (const { subnet } of holders.slice(0, 5)) cluster.leave(subnet, true);
      cluster.join();
      cluster.settle();
      assertRoutesExist(cluster);
      for (const routes of cluster.tables.values()) expect(routes.size).toBe(50 - FOREIGN);
      expect(Object.keys(countPaths(cluster)).sort()).toEqual(['host-gw', 'vpc-route', 'vxlan']);
    }
    expect(cluster.refusals).toBeGreaterThan(0);
  });
});

describe('a cluster below the quota', () => {
  test('uses no VXLAN', () => {
    const cluster = new VpcSimulation({
      nodes: 40,
      tableOf: TABLES,
      quota: 50,
      foreign: FOREIGN,
      reserve: RESERVE,
      random: seeded(1),
    });
    cluster.settle();
    expect(Object.keys(countPaths(cluster)).sort()).toEqual(['host-gw', 'vpc-route']);
    expect(cluster.refusals).toBe(0);
  });

  test('in one VPC subnet yields no route, and one that outgrows it uses host-gw only', () => {
    const cluster = new VpcSimulation({
      nodes: 200,
      tableOf: [0],
      quota: 50,
      foreign: 0,
      reserve: 0,
      random: seeded(2),
    });
    cluster.settle();
    expect(cluster.tables.get('rtb-0')?.size).toBe(50);
    expect(Object.keys(countPaths(cluster))).toEqual(['host-gw']);
  });

  test('whose subnets have a table each gives up routes that no node uses when it grows', () => {
    const cluster = new VpcSimulation({
      nodes: 40,
      tableOf: [0, 1],
      quota: 50,
      foreign: 0,
      reserve: 0,
      random: seeded(3),
    });
    cluster.settle();
    expect([...cluster.tables.values()].map(({ size }) => size)).toEqual([40, 40]);
    for (let joins = 0; joins < 40; joins++) cluster.join();
    cluster.settle();
    expect(cluster.refusals).toBe(0);
    // 80 nodes, half in each subnet: each table needs the 40 of the other.
    expect(Object.keys(countPaths(cluster)).sort()).toEqual(['host-gw', 'vpc-route']);
  });
});
