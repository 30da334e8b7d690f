import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { SubnetLeasesOptions } from '../../src/service/index.js';
import { ETCD_START_MS, findEtcd } from './etcd-programs.js';
import { Etcd } from './etcd-server.js';
import { FaultProxy } from './fault-proxy.js';
import { CONFIG, hostGw, keyOf, NET, never, resetNetwork, storedLeases, TestNode } from './nodes.js';
import { until } from './until.js';

const versions = await findEtcd();

describe.skipIf(versions.length === 0).each(versions)('leases in etcd $version', (programs) => {
  let etcd: Etcd;
  beforeAll(async () => {
    etcd = await Etcd.start({ programs });
  }, ETCD_START_MS);
  afterAll(() => etcd[Symbol.asyncDispose]());
  beforeEach(() => resetNetwork(etcd));

  const node = (more: Partial<SubnetLeasesOptions> = {}) =>
    new TestNode({ endpoints: etcd.endpoints, ...more });

  test('a subnet is acquired under one etcd lease, published as flanneld does, and released', async () => {
    await using first = node();
    const lease = await first.leases.acquire(hostGw('192.0.2.1'), null, never);
    expect(lease.subnet).toMatch(/^10\.50\.([1-9]\d?|100)\.0\/24$/);
    expect(first.leases.isConfirmed).toBe(true);
    const ids = await etcd.leases();
    expect(await etcd.read(`${NET}/subnets/`)).toEqual(
      new Map([
        [
          keyOf(lease.subnet),
          { value: '{"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"host-gw"}', lease: ids[0] },
        ],
      ]),
    );
    expect(ids).toHaveLength(1);
    expect(await etcd.call('/v3/lease/timetolive', { ID: ids[0] })).toMatchObject({ grantedTTL: '86400' });
    await first.leases.release(never);
    expect(await storedLeases(etcd)).toEqual({});
    expect(await etcd.leases()).toEqual([]);
    expect(first.leases.own).toBeNull();
    expect(first.kinds).toEqual(['acquired']);
  });

  test('a restart keeps the subnet and its unknown fields, and leaves no second etcd lease', async () => {
    const value = '{"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"host-gw","Rack":7}';
    await etcd.put(keyOf('10.50.77.0/24'), value);
    for (let restart = 0; restart < 3; restart++) {
      await using first = node();
      const lease = await first.leases.acquire(hostGw('192.0.2.1'), null, never);
      expect(lease.subnet).toBe('10.50.77.0/24');
      expect(first.events).toMatchObject([{ kind: 'acquired', how: 'kept' }]);
      expect([...(await etcd.read(`${NET}/subnets/`)).values()]).toMatchObject([{ value }]);
      expect(await etcd.leases()).toHaveLength(1);
    }
  });

  test('the previous subnet is used when it is free, and dual stack has keys of both', async () => {
    await etcd.put(
      `${NET}/config`,
      JSON.stringify({ ...(JSON.parse(CONFIG) as object), EnableIPv6: true, IPv6Network: 'fd50::/48' }),
    );
    await using first = node();
    const previous = { subnet: '10.50.9.0/24', ipv6Subnet: 'fd50:0:0:62::/64' };
    const own = hostGw('192.0.2.1', { publicIpv6: 'fd00::1' });
    expect(await first.leases.acquire(own, previous, never)).toMatchObject(previous);
    await using second = node();
    const other = await second.leases.acquire(
      hostGw('192.0.2.2', { publicIpv6: 'fd00::2' }),
      previous,
      never,
    );
    expect(other.subnet).not.toBe(previous.subnet);
    expect(other.ipv6Subnet).not.toBe(previous.ipv6Subnet);
    expect(await storedLeases(etcd)).toMatchObject({ '10.50.9.0-24&fd50:0:0:62::-64': '192.0.2.1' });
    await until(
      'both see both',
      () => second.snapshot?.leases.length === 2 && first.snapshot?.leases.length === 2,
    );
  });

  test('a key that is deleted, revoked, overwritten or spoilt is claimed again with the same subnet', async () => {
    await using first = node();
    const { subnet } = await first.leases.acquire(hostGw('192.0.2.1'), null, never);
    const key = keyOf(subnet);
    const back = async (cause: string): Promise<void> => {
      await until(`${cause} is repaired`, () => first.events.at(-1)?.kind === 'reclaimed');
      expect(first.events.pop()).toMatchObject({ cause, lease: { subnet } });
      expect(await storedLeases(etcd)).toEqual({ [subnet.replace('/', '-')]: '192.0.2.1' });
      expect(await etcd.leases()).toHaveLength(1);
    };
    first.events.length = 0;
    await etcd.delete(key);
    await back('deleted');
    await etcd.call('/v3/lease/revoke', { ID: (await etcd.leases())[0] });
    await back('deleted');
    await etcd.put(key, '{"PublicIP":"192.0.2.1","BackendType":"vxlan"}');
    await back('changed');
    await etcd.put(key, 'spoilt');
    await back('changed');
    expect(first.leases.isConfirmed).toBe(true);
  });

  test('a subnet that another node has by now is given up for another one', async () => {
    await using first = node();
    const { subnet } = await first.leases.acquire(hostGw('192.0.2.1'), null, never);
    await etcd.put(keyOf(subnet), '{"PublicIP":"192.0.2.99","BackendType":"host-gw"}');
    await until('the node has moved', () => first.kinds.includes('moved'));
    expect(first.events.at(-1)).toMatchObject({ kind: 'moved', cause: 'changed', from: { subnet } });
    expect(first.leases.own?.subnet).not.toBe(subnet);
    expect(await storedLeases(etcd)).toMatchObject({
      [subnet.replace('/', '-')]: '192.0.2.99',
      [first.leases.own?.subnet.replace('/', '-') ?? '']: '192.0.2.1',
    });
  });

  test('an update changes the key in place; another backend type deletes it first', async () => {
    await using first = node();
    await using second = node();
    const { subnet } = await first.leases.acquire(hostGw('192.0.2.1'), null, never);
    const created = async (): Promise<string> => {
      const answer = await etcd.call('/v3/kv/range', { key: Buffer.from(keyOf(subnet)).toString('base64') });
      return (answer['kvs'] as { create_revision: string }[])[0]?.create_revision ?? '';
    };
    const before = await created();
    await first.leases.update(hostGw('192.0.2.7', { backendData: { Mark: 1 } }), never);
    expect(await created()).toBe(before);
    await until('the peer sees the new address', () => second.peers[subnet] === '192.0.2.7');
    await first.leases.update(
      { ...hostGw('192.0.2.7'), backendType: 'vxlan', backendData: { VNI: 1 } },
      never,
    );
    expect(await created()).not.toBe(before);
    await until(
      'the peer sees the new type',
      () => second.snapshot?.leases[0]?.attributes.backendType === 'vxlan',
    );
    expect(second.snapshot?.leases[0]?.subnet).toBe(subnet);
    expect(first.kinds).toEqual(['acquired']);
    expect(await etcd.leases()).toHaveLength(1);
  });

  test('a changed PublicIP and a vanished lease are seen after a compaction during an outage', async () => {
    await using proxy = await FaultProxy.start(etcd.endpoints[0] ?? '');
    await using first = node({ endpoints: [proxy.endpoint] });
    await etcd.put(keyOf('10.50.7.0/24'), '{"PublicIP":"192.0.2.7","BackendType":"host-gw"}');
    await etcd.put(keyOf('10.50.8.0/24'), '{"PublicIP":"192.0.2.8","BackendType":"host-gw"}');
    const { subnet } = await first.leases.acquire(hostGw('192.0.2.1'), null, never);
    await until('all are seen', () => Object.keys(first.peers).length === 3);
    proxy.fault = 'cut';
    proxy.cutAll();
    await until('the outage is reported', () => first.kinds.includes('disconnected'));
    await etcd.put(keyOf('10.50.7.0/24'), '{"PublicIP":"192.0.2.77","BackendType":"host-gw"}');
    await etcd.delete(keyOf('10.50.8.0/24'));
    await etcd.compact();
    proxy.fault = 'none';
    await until('the snapshot is right', () => first.peers['10.50.7.0/24'] === '192.0.2.77');
    expect(first.peers).toEqual({ '10.50.7.0/24': '192.0.2.77', [subnet]: '192.0.2.1' });
    expect(first.events.slice(1)).toMatchObject([
      { kind: 'disconnected', error: { code: 'etcd-unreachable' } },
      { kind: 'connected' },
      { kind: 'resynced', reason: 'compacted' },
    ]);
    expect(first.leases.own?.subnet).toBe(subnet);
  });

  test('leases that cannot be used are ignored and named', async () => {
    const value = '{"PublicIP":"192.0.2.9","BackendType":"host-gw"}';
    const bad: Record<string, [string, string]> = {
      '10.50.20.7-24': [value, 'host-bits'],
      '10.50.21.0-32': [value, 'too-small'],
      '10.60.0.0-24': [value, 'outside-network'],
      '10.50.22.0-24': ['{', 'not-json'],
      '10.50.23.0-24': ['{"PublicIP":7}', 'no-public-ip'],
      nonsense: [value, 'not-a-subnet'],
    };
    await etcd.put(keyOf('10.50.30.0/24'), value);
    await etcd.put(keyOf('10.50.30.128/25'), value);
    for (const [name, [text]] of Object.entries(bad)) await etcd.put(`${NET}/subnets/${name}`, text);
    await using first = node();
    await until('the snapshot has all', () => first.snapshot !== null);
    expect(first.peers).toEqual({ '10.50.30.0/24': '192.0.2.9' });
    expect(
      Object.fromEntries(first.snapshot?.ignored.map(({ name, problem }) => [name, problem]) ?? []),
    ).toEqual({
      ...Object.fromEntries(Object.entries(bad).map(([name, [, kind]]) => [name, { kind }])),
      '10.50.30.128-25': { kind: 'overlap', with: '10.50.30.0-24' },
    });
    await etcd.delete(keyOf('10.50.30.0/24'));
    await until('the younger one is used', () => first.peers['10.50.30.128/25'] === '192.0.2.9');
  });
});
