import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { isInside, parseRange, printAddress, rangesOverlap } from '../../../src/service/aws/cidr.js';
import { tableRows } from '../../docs/table-rows.js';
import type { PrefixSubnet } from './prefix-model.js';
import { PrefixSimulation } from './prefix-simulation.js';
import { seeded } from './simulation.js';

const documented = tableRows(readFileSync(new URL('../../../docs/aws-vpc.md', import.meta.url), 'utf8'));

/** Six VPC subnets of a length, without a reservation or with one of 15/16 of each. */
function sixSubnets(length: number, isReserved: boolean): PrefixSubnet[] {
  const size = 2 ** (32 - length);
  const { first: start } = parseRange('10.0.0.0/8');
  return Array.from({ length: 6 }, (_, at) => {
    const first = start + at * size;
    // The upper half, a quarter below it, and so on.
    const reserved = [1, 2, 3, 4].map(
      (halving) => `${printAddress(first + size / 2 ** halving)}/${length + halving}`,
    );
    return { range: `${printAddress(first)}/${length}`, reservations: isReserved ? reserved : [] };
  });
}

/** Asserts what AWS guarantees and a lease requires: a prefix is in its subnet, and no address or other prefix is in it. */
function assertExclusive({ nodes, subnets }: PrefixSimulation): void {
  const all = [...nodes.values()];
  const prefixes = all.flatMap(({ prefix }) => prefix ?? []);
  expect(new Set(prefixes).size).toBe(prefixes.length);
  const addresses = all.map(({ address }) => ({ first: address, last: address }));
  for (const { at, prefix } of all) {
    if (prefix === null) continue;
    expect(isInside(parseRange(prefix), parseRange(subnets[at]?.range ?? ''))).toBe(true);
    expect(addresses.some((address) => rangesOverlap(address, parseRange(prefix)))).toBe(false);
  }
}

describe.each([
  { length: 20, isReserved: false, name: 'six /20', reserved: 'nothing', all: false },
  { length: 20, isReserved: true, name: 'six /20', reserved: '15/16 of each', all: true },
  { length: 19, isReserved: false, name: 'six /19', reserved: 'nothing', all: true },
])('1,000 nodes in $name VPC subnets, reserved for prefixes: $reserved', (row) => {
  test('get the number of prefixes in docs/aws-vpc.md, also after 500 nodes were replaced', () => {
    const cluster = new PrefixSimulation(sixSubnets(row.length, row.isReserved), seeded(28));
    for (let joined = 0; joined < 1_000; joined++) cluster.join();
    assertExclusive(cluster);
    expect(cluster.calls).toBe(2_000);
    const atFirst = cluster.withPrefix;
    for (let change = 0; change < 500; change++) {
      cluster.end(change % 4 !== 0);
      cluster.join();
    }
    assertExclusive(cluster);
    if (row.all) expect([atFirst, cluster.withPrefix]).toEqual([1_000, 1_000]);
    else expect([...cluster.refusals.keys()]).toEqual(['InsufficientCidrBlocks']);
    const cells = [row.name, row.reserved, atFirst, cluster.withPrefix].map((cell) =>
      cell.toLocaleString('en'),
    );
    expect(documented).toContain(cells.join(' | '));
  });
});

test('a /20 with a reservation takes 239 nodes', () => {
  const [subnet] = sixSubnets(20, true);
  const cluster = new PrefixSimulation(subnet === undefined ? [] : [subnet], seeded(1));
  for (let joined = 0; joined < 245; joined++) cluster.join();
  expect(cluster.withPrefix).toBe(239);
});
