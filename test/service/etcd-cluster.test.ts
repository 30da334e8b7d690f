import { copyFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EtcdClient } from '../../src/service/index.js';
import { createTestCertificates, type Certificates } from './certificates.js';
import { ETCD_START_MS, findEtcd } from './etcd-programs.js';
import { Etcd } from './etcd-server.js';
import { until } from './until.js';
import { record } from './watch-record.js';

const versions = await findEtcd();
const never = new AbortController().signal;

describe.skipIf(versions.length === 0)('etcd with TLS', () => {
  let certificates: Certificates;
  let etcd: Etcd;
  beforeAll(async () => {
    certificates = createTestCertificates();
    etcd = await Etcd.start({ programs: versions[0]!, certificates });
  }, ETCD_START_MS);
  afterAll(async () => {
    await etcd[Symbol.asyncDispose]();
    certificates[Symbol.dispose]();
  });

  const files = ({ ca, client }: Certificates) => ({
    caFile: ca,
    certificateFile: client.certificate,
    keyFile: client.key,
  });

  test('serves a client with the right files, and watches', async () => {
    using client = new EtcdClient({ endpoints: etcd.endpoints, tls: files(certificates), idleMs: 200 });
    const watch = record(client, '/tls/', await client.getPrefix('/tls/', never));
    await etcd.ctl('put', '/tls/a', '1');
    await until('the change arrives', () => watch.seen.includes('/tls/a=1'));
    await watch.stop();
  });

  test('is not reached without a certificate or with another authority', async () => {
    using stranger = createTestCertificates();
    using anonymous = new EtcdClient({ endpoints: etcd.endpoints, tls: { caFile: certificates.ca } });
    await expect(anonymous.get('x', never)).rejects.toMatchObject({ code: 'etcd-unreachable' });
    using deceived = new EtcdClient({
      endpoints: etcd.endpoints,
      tls: { ...files(certificates), caFile: stranger.ca },
    });
    await expect(deceived.get('x', never)).rejects.toThrow(/certificate/);
    using missing = new EtcdClient({ endpoints: etcd.endpoints, tls: { caFile: '/nowhere/ca.crt' } });
    await expect(missing.get('x', never)).rejects.toMatchObject({ code: 'bad-input' });
  });

  test('files that change are used from the next request on', async () => {
    using changing = createTestCertificates();
    using client = new EtcdClient({ endpoints: etcd.endpoints, tls: files(changing), requestTimeoutMs: 500 });
    await expect(client.get('x', never)).rejects.toMatchObject({ code: 'etcd-unreachable' });
    copyFileSync(certificates.ca, changing.ca);
    copyFileSync(certificates.client.certificate, changing.client.certificate);
    copyFileSync(certificates.client.key, changing.client.key);
    await until('the new files are used', async () => (await client.get('x', never)) === null);
  });
});

describe.skipIf(versions.length === 0)('three members of etcd', () => {
  let etcd: Etcd;
  beforeAll(async () => {
    etcd = await Etcd.start({ programs: versions[0]!, members: 3 });
  }, ETCD_START_MS);
  afterAll(() => etcd[Symbol.asyncDispose]());

  const open = (endpoints: readonly string[]) =>
    new EtcdClient({ endpoints, idleMs: 300, requestTimeoutMs: 500 });
  const put = (client: EtcdClient, value: string) =>
    client.transact({ when: [], then: [{ put: '/three/a', value }] }, never);

  test.each(['SIGKILL', 'SIGSTOP'] as const)(
    'the leader gets a %s: the client and its watch go on',
    async (signal) => {
      const leader = await etcd.leader();
      const inUse = etcd.endpoints[leader] ?? '';
      using client = open([inUse, ...etcd.endpoints.filter((each) => each !== inUse)]);
      const watch = record(client, '/three/', await client.getPrefix('/three/', never));
      await put(client, 'before');
      if (signal === 'SIGKILL') await etcd.killMember(leader);
      else etcd.signalMember(leader, signal);
      try {
        await until('a write succeeds', async () => (await put(client, signal)).succeeded, 5_000);
        await until('the watch delivers it', () => watch.seen.includes(`/three/a=${signal}`), 5_000);
      } finally {
        await watch.stop();
        if (signal === 'SIGKILL') await etcd.startMember(leader);
        else etcd.signalMember(leader, 'SIGCONT');
      }
    },
  );

  test('a watch goes on by a member that has not caught up', async () => {
    const leader = await etcd.leader();
    const late = (leader + 1) % 3;
    using client = open([etcd.endpoints[leader] ?? '']);
    using other = open([etcd.endpoints[late] ?? '']);
    etcd.signalMember(late, 'SIGSTOP');
    for (let round = 0; round < 500; round++) await put(client, String(round));
    const after = await client.getPrefix('/three/', never);
    etcd.signalMember(late, 'SIGCONT');
    const watch = record(other, '/three/', after);
    await until('the watch is open', () => watch.seen.includes('open'));
    await put(client, 'next');
    await until('the watch delivers it', () => watch.seen.includes('/three/a=next'));
    await watch.stop();
    expect(watch.seen).not.toContain('other-history');
    expect(watch.seen.filter((each) => each.startsWith('/three/'))).toEqual(['/three/a=next']);
  });

  test('a member that has lost the majority is left', async () => {
    const leader = await etcd.leader();
    const [alone, first, second] = [0, 1, 2].sort((one) => (one === leader ? 1 : -1));
    using client = open([etcd.endpoints[alone!] ?? '']);
    await put(client, 'majority');
    await etcd.killMember(first!);
    await etcd.killMember(second!);
    await expect(put(client, 'minority')).rejects.toMatchObject({ code: 'etcd-unreachable' });
    const again = [etcd.startMember(first!), etcd.startMember(second!)];
    await until('the majority is back', async () => (await put(client, 'back')).succeeded);
    await Promise.all(again);
  });
});

test.skipIf(versions.length === 0)(
  'a watch ends when the server has lost its data',
  async () => {
    await using etcd = await Etcd.start({ programs: versions[0]! });
    using client = new EtcdClient({ endpoints: etcd.endpoints, idleMs: 300, requestTimeoutMs: 500 });
    for (const value of ['1', '2', '3']) await etcd.put('/lost/a', value);
    const watch = record(client, '/lost/', await client.getPrefix('/lost/', never));
    await until('the watch is open', () => watch.seen.includes('open'));
    await etcd.killMember(0);
    await etcd.loseData(0);
    await etcd.startMember(0);
    await until('the watch ends', () => watch.seen.at(-1) === 'other-history');
  },
  ETCD_START_MS,
);
