import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Lease, NetworkConfig, SubnetLeasesOptions } from '../../src/service/index.js';
import { ETCD_START_MS, findEtcd } from './etcd-programs.js';
import { Etcd } from './etcd-server.js';
import { FaultProxy } from './fault-proxy.js';
import { hostGw, NET, never, resetNetwork, storedLeases, TestNode } from './nodes.js';
import { until } from './until.js';

const versions = await findEtcd();

describe.skipIf(versions.length === 0).each(versions)('claims in etcd $version', (programs) => {
  let etcd: Etcd;
  beforeAll(async () => {
    etcd = await Etcd.start({ programs });
  }, ETCD_START_MS);
  afterAll(() => etcd[Symbol.asyncDispose]());
  beforeEach(() => resetNetwork(etcd));

  const node = (more: Partial<SubnetLeasesOptions> = {}) =>
    new TestNode({ endpoints: etcd.endpoints, ...more });

  test('the etcd lease is kept alive, and a lapse is reported when etcd is away for its lifetime', async () => {
    await using proxy = await FaultProxy.start(etcd.endpoints[0] ?? '');
    await using first = node({
      endpoints: [proxy.endpoint],
      ttlS: 1,
      renewAfterMs: 100,
      requestTimeoutMs: 100,
    });
    const { subnet } = await first.leases.acquire(hostGw('192.0.2.1'), null, never);
    const [id] = await etcd.leases();
    const until2s = performance.now() + 2_000;
    await until('two lifetimes have passed', () => performance.now() > until2s);
    expect(await etcd.leases()).toEqual([id]);
    expect(first.kinds).toEqual(['acquired']);
    proxy.fault = 'hang';
    await until('the lapse is reported', () => first.kinds.includes('lapsed'));
    expect(first.leases.isConfirmed).toBe(false);
    await until('the lease has ended', async () => (await etcd.leases()).length === 0);
    await using second = node();
    await second.leases.acquire(hostGw('192.0.2.2'), { subnet, ipv6Subnet: null }, never);
    proxy.fault = 'none';
    await until('the first has moved', () => first.kinds.includes('moved'));
    expect(first.leases.isConfirmed).toBe(true);
    expect(Object.values(await storedLeases(etcd)).sort()).toEqual(['192.0.2.1', '192.0.2.2']);
  });

  test('eight nodes for six subnets: each has its own, or is told that none is free', async () => {
    // Subnets 1 to 6 of 8; flannel leaves the first out.
    await etcd.put(`${NET}/config`, '{"Network":"10.50.0.0/21","SubnetLen":24,"SubnetMax":"10.50.6.0"}');
    for (let round = 0; round < 3; round++) {
      const nodes = Array.from({ length: 8 }, () => node());
      const results = await Promise.allSettled(
        nodes.map(({ leases }, index) => leases.acquire(hostGw(`192.0.2.${index + 1}`), null, never)),
      );
      const got = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.subnet] : []));
      expect(new Set(got).size).toBe(6);
      for (const result of results)
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'no-free-subnet' });
      expect(Object.keys(await storedLeases(etcd))).toHaveLength(6);
      expect(await etcd.leases()).toHaveLength(6);
      await Promise.all(nodes.map(({ leases }) => leases.release(never)));
      await Promise.all(nodes.map((each) => each[Symbol.asyncDispose]()));
      expect(await etcd.leases()).toEqual([]);
    }
  });

  test('nodes with both versions of IP that start at once share no subnet of either', async () => {
    const pools = {
      ...{ Network: '10.50.0.0/20', SubnetLen: 24, EnableIPv6: true },
      ...{ IPv6Network: 'fd50::/60', IPv6SubnetLen: 64 },
    };
    await etcd.put(`${NET}/config`, JSON.stringify(pools));
    for (let round = 0; round < 4; round++) {
      const nodes = Array.from({ length: 10 }, () => node());
      const got = await Promise.all(
        nodes.map(({ leases }, index) =>
          leases.acquire(hostGw(`192.0.2.${index + 1}`, { publicIpv6: `fd00::${index + 1}` }), null, never),
        ),
      );
      expect(new Set(got.map(({ subnet }) => subnet)).size).toBe(nodes.length);
      expect(new Set(got.map(({ ipv6Subnet }) => ipv6Subnet)).size).toBe(nodes.length);
      await until('each node has all leases', () =>
        nodes.every(({ snapshot }) => snapshot?.leases.length === nodes.length),
      );
      // Nor did two have one for a moment: each has created one key.
      const created = await etcd.call('/v3/kv/range', {
        key: Buffer.from(`${NET}/subnets/`).toString('base64'),
        range_end: Buffer.from(`${NET}/subnets0`).toString('base64'),
      });
      expect((created as { kvs: { version: string }[] }).kvs.map(({ version }) => version)).toEqual(
        nodes.map(() => '1'),
      );
      await Promise.all(nodes.map(({ leases }) => leases.release(never)));
      await Promise.all(nodes.map((each) => each[Symbol.asyncDispose]()));
    }
  });

  test('a network that is changed gives a new subnet on the next acquire', async () => {
    await using first = node();
    const { subnet } = await first.leases.acquire(hostGw('192.0.2.1'), null, never);
    await etcd.put(`${NET}/config`, '{"Network":"10.77.0.0/16"}');
    const config: NetworkConfig = await first.leases.readConfig(never);
    expect(config.ipv4.network).toBe('10.77.0.0/16');
    const lease: Lease = await first.leases.acquire(hostGw('192.0.2.1'), null, never);
    expect(lease.subnet).toMatch(/^10\.77\./);
    expect(first.events.at(-1)).toMatchObject({ kind: 'moved', cause: 'config', from: { subnet } });
    expect(Object.keys(await storedLeases(etcd))).toEqual([lease.subnet.replace('/', '-')]);
    await until('the snapshot is judged by the new config', () => first.peers[lease.subnet] === '192.0.2.1');
  });

  test('a missing or wrong config is an error that names the key; an abort ends the wait for etcd', async () => {
    await etcd.delete(`${NET}/config`);
    await using first = node();
    await expect(first.leases.acquire(hostGw('192.0.2.1'), null, never)).rejects.toThrow(
      /\/coreos\.com\/network\/config/,
    );
    await etcd.put(`${NET}/config`, '{"Network":"10.50.0.0/30"}');
    await expect(first.leases.acquire(hostGw('192.0.2.1'), null, never)).rejects.toThrow(/10\.50\.0\.0\/30/);
    await using lost = node({ endpoints: ['http://127.0.0.1:1'] });
    const stop = new AbortController();
    const waiting = lost.leases.acquire(hostGw('192.0.2.1'), null, stop.signal);
    await until('the outage is reported', () => lost.kinds.includes('disconnected'));
    stop.abort();
    await expect(waiting).rejects.toThrow(/abort/);
  });
});
