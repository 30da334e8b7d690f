import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseLeaseKey, parseNetworkConfig } from '../../src/service/index.js';
import { chooseSubnet, misfits, withDelegated } from '../../src/service/flannel/choose-subnet.js';
import { parseEntry } from '../../src/service/flannel/lease-entry.js';
import { parsePrefix } from '../../src/service/flannel/prefix.js';

const NODES = '/coreos.com/network/subnets/';
const entry = (name: string, value: string, createRevision = 1n) =>
  parseEntry(
    { key: `${NODES}${name}`, value, createRevision, modRevision: createRevision, lease: '0' },
    NODES,
  );

describe('the choice of a subnet', () => {
  const config = parseNetworkConfig('{"Network":"10.50.0.0/16","SubnetLen":26}');
  const request = { config, publicIp: '192.0.2.1', previous: null, random: Math.random };

  test('is always free, among the first hundred, and null only when none is free', () => {
    const small = parseNetworkConfig(
      '{"Network":"10.50.0.0/24","SubnetLen":28,"EnableIPv6":true,"IPv6Network":"fd50::/56"}',
    );
    const taken = fc.uniqueArray(
      fc.record({ length: fc.integer({ min: 25, max: 30 }), at: fc.nat(255) }).map(({ at, length }) => {
        const size = 2 ** (32 - length);
        return `10.50.0.${at - (at % size)}-${length}`;
      }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(taken, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (names, random) => {
        const entries = names.map((name) => entry(name, '{"PublicIP":"192.0.2.9"}'));
        const used = new Set<number>();
        for (const name of names) {
          const [, at = '', length = ''] = /\.(\d+)-(\d+)$/.exec(name) ?? [];
          for (let address = Number(at); address < Number(at) + 2 ** (32 - Number(length)); address++)
            used.add(address);
        }
        const blocks = Array.from({ length: 15 }, (_, index) => 16 * (index + 1));
        const free = blocks.filter((first) =>
          Array.from({ length: 16 }, (_, each) => first + each).every((each) => !used.has(each)),
        );
        const choice = chooseSubnet({ ...request, config: small, entries, random: () => random });
        if (free.length === 0) {
          expect(choice).toBeNull();
          return;
        }
        expect(free.map((first) => `10.50.0.${first}-28`)).toContain(choice?.name.split('&')[0]);
        expect(choice?.name).toMatch(/&fd50:0:0:[\da-f]+::-64$/);
      }),
      { numRuns: 300 },
    );
  });

  test('skips 60,000 taken subnets of a large network at once', () => {
    const large = parseNetworkConfig('{"Network":"10.0.0.0/8"}');
    const entries = Array.from({ length: 60_000 }, (_, index) =>
      entry(`10.${(index + 1) >> 8}.${(index + 1) & 255}.0-24`, '{"PublicIP":"192.0.2.9"}'),
    );
    const choice = chooseSubnet({ ...request, config: large, entries, random: () => 0 });
    expect(choice?.name).toBe('10.234.97.0-24');
  });

  test('is the delegated one, taken over from a node that is gone, and no other of its own', () => {
    const delegated = parsePrefix('10.50.9.0/26');
    if (delegated === null) throw new Error('no prefix');
    const own = entry('10.50.1.0-26', '{"PublicIP":"192.0.2.1"}');
    const stale = entry('10.50.9.0-26', '{"PublicIP":"192.0.2.7"}');
    const given = { ...request, config: withDelegated(config, delegated), entries: [own] };
    expect(chooseSubnet(given)).toMatchObject({ name: '10.50.9.0-26', found: null });
    expect(misfits(given)).toEqual([own]);
    const taken = { ...given, entries: [own, stale] };
    expect(chooseSubnet(taken)).toMatchObject({ name: '10.50.9.0-26', found: stale });
    expect(misfits(taken)).toEqual([own]);
  });

  test('is the lease of the same public address, else the previous subnet', () => {
    const own = entry('10.50.1.0-26', '{"PublicIP":"192.0.2.1"}');
    const previous = { subnets: parseLeaseKey('10.50.9.0-26')!, etcdLease: null };
    expect(chooseSubnet({ ...request, entries: [own], previous })).toMatchObject({
      name: '10.50.1.0-26',
      how: 'kept',
    });
    expect(chooseSubnet({ ...request, entries: [], previous })).toMatchObject({
      name: '10.50.9.0-26',
      how: 'previous',
    });
    const other = entry('10.50.9.0-24', '{"PublicIP":"192.0.2.9"}');
    expect(chooseSubnet({ ...request, entries: [other], previous })?.how).toBe('free');
    const outside = { subnets: parseLeaseKey('10.51.9.0-26')!, etcdLease: null };
    expect(chooseSubnet({ ...request, entries: [], previous: outside })?.how).toBe('free');
  });

  test('is the key under its own etcd lease when its address has changed', () => {
    const found = entry('10.50.9.0-26', '{"PublicIP":"192.0.2.7"}');
    const former = { ...found, pair: { ...found.pair, lease: '77' } };
    const subnets = parseLeaseKey('10.50.9.0-26')!;
    const choose = (etcdLease: string | null): ReturnType<typeof chooseSubnet> =>
      chooseSubnet({ ...request, entries: [former], previous: { subnets, etcdLease } });
    expect(choose('77')).toMatchObject({ name: '10.50.9.0-26', how: 'kept' });
    expect(choose('1')?.how).toBe('free');
    expect(choose(null)?.how).toBe('free');
  });
});
