import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { EtcdClient } from '../../src/service/index.js';
import { ETCD_START_MS, findEtcd } from './etcd-programs.js';
import { Etcd } from './etcd-server.js';
import { FaultProxy } from './fault-proxy.js';
import { until } from './until.js';
import { record } from './watch-record.js';

const versions = await findEtcd();
const never = new AbortController().signal;

describe.skipIf(versions.length === 0).each(versions)('etcd $version', (programs) => {
  let etcd: Etcd;
  let client: EtcdClient;
  let prefix: string;
  let number = 0;

  beforeAll(async () => {
    etcd = await Etcd.start({ programs });
  }, ETCD_START_MS);
  afterAll(() => etcd[Symbol.asyncDispose]());
  beforeEach((context) => {
    prefix = `/test${++number}/`;
    client = new EtcdClient({ endpoints: etcd.endpoints, idleMs: 300, requestTimeoutMs: 500 });
    context.onTestFinished(() => client[Symbol.dispose]());
  });

  test('keeps text and compares revisions', async () => {
    const key = `${prefix}kéy`;
    const put = { then: [{ put: key, value: '{"ü":1}' }], otherwise: [{ get: key }] };
    const first = await client.transact({ when: [{ key, modRevision: 0n }], ...put }, never);
    expect(first).toMatchObject({ succeeded: true, found: [] });
    const second = await client.transact({ when: [{ key, modRevision: 0n }], ...put }, never);
    expect(second).toMatchObject({
      succeeded: false,
      found: [{ key, value: '{"ü":1}', modRevision: first.revision }],
    });
    const range = await client.getPrefix(prefix, never);
    expect(range.entries).toMatchObject([{ key, createRevision: first.revision, lease: '0' }]);
    await client.transact({ when: [{ key, modRevision: first.revision }], then: [{ delete: key }] }, never);
    expect(await client.get(key, never)).toBeNull();
  });

  test('keeps lease ids above 2^53', async () => {
    const id = '9007199254740999999';
    await etcd.call('/v3/lease/grant', { ID: id, TTL: '60' });
    await client.transact({ when: [], then: [{ put: `${prefix}a`, value: 'x', lease: id }] }, never);
    expect((await client.get(`${prefix}a`, never))?.lease).toBe(id);
    expect(await client.keysOfLease(id, never)).toEqual([`${prefix}a`]);
    expect(await client.keepLeaseAlive(id, never)).toBe(60);
    await client.revokeLease(id, never);
    expect(await client.get(`${prefix}a`, never)).toBeNull();
    expect(await client.keepLeaseAlive(id, never)).toBe(0);
    expect(await client.keysOfLease(id, never)).toBeNull();
    await client.revokeLease(id, never);
  });

  test('a watch delivers every change in order and is replaced while nothing happens', async () => {
    await using proxy = await FaultProxy.start(etcd.endpoints[0] ?? '');
    using watcher = new EtcdClient({ endpoints: [proxy.endpoint], idleMs: 100 });
    const watch = record(watcher, prefix, await watcher.getPrefix(prefix, never));
    await etcd.put(`${prefix}a`, '1');
    await etcd.put(`${prefix}a`, '2');
    await etcd.put('/elsewhere', '3');
    await until('three streams were opened', () => watch.seen.filter((each) => each === 'open').length >= 3);
    await etcd.delete(`${prefix}a`);
    await until('the deletion arrives', () => watch.seen.includes(`${prefix}a deleted`));
    await watch.stop();
    expect(watch.seen.filter((each) => each !== 'open')).toEqual([
      `${prefix}a=1`,
      `${prefix}a=2`,
      `${prefix}a deleted`,
    ]);
  });

  test('a watch goes on where it was cut, and reports a compaction', async () => {
    await using proxy = await FaultProxy.start(etcd.endpoints[0] ?? '');
    using watcher = new EtcdClient({ endpoints: [proxy.endpoint], idleMs: 5_000 });
    const watch = record(watcher, prefix, await watcher.getPrefix(prefix, never));
    await etcd.put(`${prefix}a`, '1');
    await until('the change arrives', () => watch.seen.includes(`${prefix}a=1`));
    proxy.fault = 'cut';
    proxy.cutAll();
    await until('the watch is lost', () => watch.seen.includes('lost'));
    await etcd.put(`${prefix}a`, '2');
    proxy.fault = 'none';
    await until('the missed change arrives', () => watch.seen.includes(`${prefix}a=2`));
    proxy.fault = 'cut';
    proxy.cutAll();
    await etcd.put(`${prefix}a`, '3');
    await etcd.put(`${prefix}a`, '4');
    await etcd.compact();
    proxy.fault = 'none';
    await until('the watch ends', () => watch.seen.at(-1) === 'compacted');
    await watch.stop();
  });

  test('a hung connection of a watch is noticed, and the watch goes on with another endpoint', async () => {
    await using hung = await FaultProxy.start(etcd.endpoints[0] ?? '');
    await using good = await FaultProxy.start(etcd.endpoints[0] ?? '');
    using watcher = new EtcdClient({
      endpoints: [hung.endpoint, good.endpoint],
      idleMs: 300,
      requestTimeoutMs: 300,
    });
    const watch = record(watcher, prefix, await watcher.getPrefix(prefix, never));
    await until('the watch is open', () => watch.seen.includes('open'));
    hung.fault = 'hang';
    await etcd.put(`${prefix}a`, '1');
    await until('the change arrives', () => watch.seen.includes(`${prefix}a=1`), 2_000);
    await watch.stop();
  });

  test.each(['delay', 'duplicate', 'lose-answers'] as const)(
    'requests are right with the fault %s',
    async (fault) => {
      await using faulty = await FaultProxy.start(etcd.endpoints[0] ?? '');
      await using good = await FaultProxy.start(etcd.endpoints[0] ?? '');
      using faulted = new EtcdClient({ endpoints: [faulty.endpoint, good.endpoint] });
      faulty.fault = fault;
      const before = await etcd.leases();
      const id = await faulted.grantLease(60, never);
      expect((await etcd.leases()).filter((each) => !before.includes(each))).toEqual([id]);
      await faulted.revokeLease(id, never);
      expect(await etcd.leases()).toEqual(before);
      expect(faulty.count).toBeGreaterThan(0);
    },
  );

  test('no endpoint answers in time: the error names each, and an abort ends the wait', async () => {
    await using proxy = await FaultProxy.start(etcd.endpoints[0] ?? '');
    proxy.fault = 'hang';
    const endpoints = [proxy.endpoint, 'http://127.0.0.1:1'];
    using hung = new EtcdClient({ endpoints, requestTimeoutMs: 100 });
    await expect(hung.get('x', never)).rejects.toMatchObject({
      code: 'etcd-unreachable',
      message: expect.stringMatching(/no answer within 100 ms.*ECONNREFUSED/) as string,
    });
    using waiting = new EtcdClient({ endpoints: [proxy.endpoint], requestTimeoutMs: 60_000 });
    const reason = new Error('enough');
    const stop = new AbortController();
    const request = waiting.get('x', stop.signal);
    stop.abort(reason);
    await expect(request).rejects.toThrow(/enough|aborted/);
  });

  test('password authentication: a token that expires is renewed, a wrong password is refused', async () => {
    // Users are checked from now on in the whole cluster.
    await using secured = await Etcd.start({ programs, args: ['--auth-token-ttl=1', '--bcrypt-cost=4'] });
    await secured.ctl('user', 'add', 'root:secret');
    await secured.ctl('role', 'add', 'flannel');
    await secured.ctl('role', 'grant-permission', 'flannel', '--prefix=true', 'readwrite', '/net/');
    await secured.ctl('user', 'add', 'node:pass');
    await secured.ctl('user', 'grant-role', 'node', 'flannel');
    await secured.ctl('user', 'grant-role', 'root', 'root');
    const user = { name: 'node', password: 'pass' };
    using early = new EtcdClient({ endpoints: secured.endpoints, user });
    // A server without authentication accepts a client that has a password.
    expect(await early.get('/net/a', never)).toBeNull();
    await secured.ctl('auth', 'enable');
    using node = new EtcdClient({ endpoints: secured.endpoints, user, idleMs: 200 });
    const watch = record(node, '/net/', await node.getPrefix('/net/', never));
    const put = (key: string, value: string) =>
      node.transact({ when: [], then: [{ put: key, value }] }, never);
    expect(await put('/net/a', '1')).toMatchObject({ succeeded: true });
    expect((await early.get('/net/a', never))?.value).toBe('1');
    await expect(put('/other/a', '1')).rejects.toMatchObject({ code: 'etcd-refused', status: 7 });
    await until('the watch is open', () => watch.seen.includes(`/net/a=1`));
    await watch.stop();
    const expired = performance.now() + 2_000;
    await until('the token has expired', () => performance.now() > expired);
    expect((await node.get('/net/a', never))?.value).toBe('1');
    // A restart of the server forgets every token.
    await secured.killMember(0, 'SIGTERM');
    await secured.startMember(0);
    await until('the client has a new token', async () => (await node.get('/net/a', never))?.value === '1');
    using wrong = new EtcdClient({ endpoints: secured.endpoints, user: { ...user, password: 'x' } });
    await expect(wrong.get('/net/a', never)).rejects.toMatchObject({ code: 'etcd-refused' });
    using anonymous = new EtcdClient({ endpoints: secured.endpoints });
    await expect(anonymous.get('/net/a', never)).rejects.toMatchObject({ code: 'etcd-refused' });
  });
});
