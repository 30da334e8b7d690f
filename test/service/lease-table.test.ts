import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { KeyValue } from '../../src/service/etcd/wire.js';
import { LeaseTable, type LeaseSnapshot } from '../../src/service/flannel/lease-table.js';
import type { Lease } from '../../src/service/flannel/lease.js';
import { parseNetworkConfig } from '../../src/service/flannel/network-config.js';

const PREFIX = '/net/subnets/';
const CONFIG = parseNetworkConfig(
  JSON.stringify({
    ...{ Network: '10.50.0.0/16', EnableIPv6: true, IPv6Network: 'fd50::/48' },
    Backend: { Type: 'host-gw' },
  }),
);

/** Few subnets of several lengths, so that they meet; also one outside the network, and one with host bits. */
const name = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 7 }).map((at) => `10.50.${at}.0-24`) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 3 }).map((at) => `10.50.${2 * at}.0-23`) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 2 }))
      .map(([at, at6]) => `10.50.${at}.0-24&fd50:0:0:${at6}::-64`),
  },
  { weight: 1, arbitrary: fc.constantFrom('10.50.1.7-24', '10.60.0.0-24', 'no-subnet') },
);
const value = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 9 }).map((at) => `{"PublicIP":"192.0.2.${at}"}`) },
  { weight: 1, arbitrary: fc.constant('not JSON') },
);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ put: name, value }) },
  { weight: 3, arbitrary: fc.record({ remove: name }) },
  { weight: 3, arbitrary: fc.constant('deliver' as const) },
  { weight: 1, arbitrary: fc.constant('listed again' as const) },
);

/** What a reader knows who follows the changes of each delivery. */
class Reader {
  readonly #known = new Map<string, string>();

  read({ changes, leases }: LeaseSnapshot): void {
    if (changes === null) this.#known.clear();
    for (const subnet of changes?.removed ?? []) this.#known.delete(subnet);
    for (const lease of changes?.put ?? leases) this.#known.set(lease.subnet, printLease(lease));
  }

  get leases(): string[] {
    return [...this.#known.values()].sort();
  }
}

const printLease = ({ subnet, ipv6Subnet, attributes }: Lease): string =>
  `${subnet} ${ipv6Subnet} ${attributes.publicIp}`;
const printed = ({ leases }: LeaseSnapshot): string[] => leases.map(printLease).sort();

const pairOf = (name: string, revision: bigint, publicIp: string): KeyValue => ({
  key: PREFIX + name,
  value: `{"PublicIP":"${publicIp}"}`,
  createRevision: revision,
  modRevision: revision,
  lease: '0',
});

test('of a lease whose IPv6 subnet an older one has, the rest is used, until it is free', () => {
  const older = pairOf('10.50.9.0-24&fd50:0:0:1::-64', 1n, '192.0.2.1');
  const younger = pairOf('10.50.8.0-24&fd50:0:0:1::-64', 2n, '192.0.2.2');
  // It is not used at all, and takes no addresses.
  const unused = pairOf('10.50.8.0-25&fd50:0:0:2::-64', 3n, '192.0.2.3');
  const last = pairOf('10.50.7.0-24&fd50:0:0:2::-64', 4n, '192.0.2.4');
  const table = new LeaseTable(PREFIX);
  table.replace({ clusterId: '1', revision: 4n, entries: [older, younger, unused, last] });
  const first = table.deliver(CONFIG);
  expect(printed(first)).toEqual([
    '10.50.7.0/24 fd50:0:0:2::/64 192.0.2.4',
    '10.50.8.0/24 null 192.0.2.2',
    '10.50.9.0/24 fd50:0:0:1::/64 192.0.2.1',
  ]);
  expect(first.ignored.map(({ name, problem }) => [name, problem])).toEqual([
    ['10.50.8.0-24&fd50:0:0:1::-64', { kind: 'ipv6-overlap', with: '10.50.9.0-24&fd50:0:0:1::-64' }],
    ['10.50.8.0-25&fd50:0:0:2::-64', { kind: 'overlap', with: '10.50.8.0-24&fd50:0:0:1::-64' }],
  ]);
  const [, second] = first.leases.toSorted((one, other) => (one.subnet < other.subnet ? -1 : 1));
  expect(table.snapshot(CONFIG).leases).toContain(second);
  table.apply([{ type: 'DELETE', entry: { ...older, modRevision: 5n } }]);
  const then = table.deliver(CONFIG);
  expect(printed(then)).toContain('10.50.8.0/24 fd50:0:0:1::/64 192.0.2.2');
  expect(then.ignored.map(({ name }) => name)).toEqual(['10.50.8.0-25&fd50:0:0:2::-64']);
});

test('the changes of deliveries lead to the leases that a new table of the same keys has', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const keys = new Map<string, KeyValue>();
      let revision = 1n;
      const listing = () => ({ clusterId: '1', revision, entries: [...keys.values()] });
      const table = new LeaseTable(PREFIX);
      table.replace(listing());
      const reader = new Reader();
      const deliver = (): void => {
        reader.read(table.deliver(CONFIG));
        const fresh = new LeaseTable(PREFIX);
        fresh.replace(listing());
        expect(reader.leases).toEqual(printed(fresh.snapshot(CONFIG)));
      };
      deliver();
      for (const each of steps)
        if (each === 'deliver') deliver();
        else if (each === 'listed again') table.replace(listing());
        else {
          revision++;
          const key = PREFIX + ('put' in each ? each.put : each.remove);
          const before = keys.get(key);
          const entry = {
            ...{ key, value: 'put' in each ? each.value : '' },
            ...{ createRevision: before?.createRevision ?? revision, modRevision: revision, lease: '0' },
          };
          if ('put' in each) keys.set(key, entry);
          else if (!keys.delete(key)) continue;
          table.apply([{ type: 'put' in each ? 'PUT' : 'DELETE', entry: entry }]);
        }
      deliver();
    }),
    { numRuns: 1_000 },
  );
});
