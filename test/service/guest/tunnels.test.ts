import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { clusterSupport } from '../../kubernetes/cluster/index.js';
import { until } from '../until.js';
import { GuestNodes } from './guest-nodes.js';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 300_000 });

const support = await clusterSupport();
if (!support.ok) console.error(`Skipped: WireGuard and ipip beside flanneld: ${support.reason}`);

const PSK = 'c2VjcmV0IHNoYXJlZCBieSBhbGwgbm9kZXMgaGVyZSE=';
const BOTH = { Network: '10.50.0.0/16', EnableIPv6: true, IPv6Network: 'fd50::/48' };
const VERSIONS = ['FLANNEL_SUBNET', 'FLANNEL_IPV6_SUBNET'];
const wireguard = (more: object = {}): object => ({
  ...BOTH,
  Backend: { Type: 'wireguard', PSK, PersistentKeepaliveInterval: 25, ...more },
});

describe.skipIf(!support.ok)('in one guest, beside the real flanneld', () => {
  let nodes: GuestNodes;
  beforeAll(async () => {
    nodes = await GuestNodes.start([1, 2, 3]);
  });
  afterAll(async () => {
    await nodes[Symbol.asyncDispose]();
  });
  /** A test continues from the state of the one before. */
  let failed = false;
  beforeEach(({ onTestFailed }) => {
    if (failed) throw new Error('an earlier test has failed');
    onTestFailed(() => void (failed = true));
  });

  test('a kernel without the module is refused before anything is changed', async () => {
    await nodes.configure(wireguard());
    await nodes.guest.run('echo "install wireguard /bin/false" > /etc/modprobe.d/none.conf');
    const output = await nodes.guest.run(`${nodes.agentLine(2)} 2>&1; echo "status $?"`);
    expect(output).toMatch(/Backend\.Type of the flannel config is wireguard, and this kernel has no module/);
    expect(output).toMatch(/modprobe wireguard.*Linux 5\.6/s);
    expect(output).toMatch(/status 3/);
    expect(await nodes.leases()).toEqual(new Map());
    expect(await nodes.guest.run('ls /run/n2')).toBe('state\n');
    await nodes.guest.run('rm /etc/modprobe.d/none.conf');
  });

  test('wireguard: traffic of both versions of IP passes between all nodes, with the same settings', async () => {
    await Promise.all([nodes.startStock(1), nodes.startAgents([2, 3])]);
    await nodes.addAddresses([1, 2, 3]);
    await until('all reach all', async () => (await nodes.lost([1, 2, 3], VERSIONS)).length === 0, 60_000);
    const stock = (await nodes.leases()).get('10.99.0.1');
    const ours = (await nodes.leases()).get('10.99.0.2');
    const key = (await nodes.on(2, 'wg show flannel-wg public-key')).trim();
    expect(stock).toMatchObject({ BackendType: 'wireguard', BackendData: { Port: 51820 } });
    expect(ours).toEqual({
      PublicIP: '10.99.0.2',
      PublicIPv6: 'fd99::2',
      BackendType: 'wireguard',
      BackendData: { PublicKey: key, Port: 51820, Barewire: { attachment: 'bridge' } },
      BackendV6Data: { PublicKey: key, Port: 51821, Barewire: { attachment: 'bridge' } },
    });
    // The third node as flanneld and as ours see it: preshared key, endpoint, addresses, keepalive.
    for (const device of ['flannel-wg', 'flannel-wg-v6']) {
      const [byStock, byOurs] = await Promise.all([1, 2].map((n) => peerOf(n, device, '10.99.0.3')));
      expect(byOurs).toEqual(byStock);
    }
    const shown = await nodes.on(2, 'ip -d addr show flannel-wg');
    expect(shown).toMatch(/mtu 1420[^]*alias barewire node/);
    const log = await nodes.log(2);
    const secret = (await nodes.guest.run('cat /run/n2/wgkey')).trim();
    expect(await nodes.guest.run('stat -c %a /run/n2/wgkey')).toBe('600\n');
    for (const each of [secret, PSK]) expect(log).not.toContain(each);
  });

  /** The settings of a peer on a device, as `wg` shows them. */
  async function peerOf(node: number, device: string, address: string): Promise<string[]> {
    const key = ((await nodes.leases()).get(address)?.['BackendData'] as { PublicKey: string }).PublicKey;
    const line = (await nodes.on(node, `wg show ${device} dump`))
      .split('\n')
      .find((each) => each.startsWith(key));
    const [publicKey = '', psk = '', endpoint = '', allowed = '', , , , keepalive = ''] =
      line?.split('\t') ?? [];
    return [publicKey, psk, endpoint, allowed, keepalive];
  }

  const settings = async (node: number): Promise<string> =>
    (await nodes.on(node, 'wg show all dump'))
      .split('\n')
      // Without the time of the last handshake, and the counters.
      .map((line) =>
        line
          .split('\t')
          .filter((_, at) => at < 5 || at > 7)
          .join(' '),
      )
      .sort()
      .join('\n') +
    (await nodes.guest.run(`ip -n n${node} route; ip -n n${node} -6 route`)).replaceAll(/ pref \S+/g, '');

  test('repairs what an administrator changes', async () => {
    const whole = await settings(2);
    const key = (await nodes.leases()).get('10.99.0.3')?.['BackendData'] as { PublicKey: string };
    const other = (await nodes.leases()).get('10.99.0.1')?.['BackendData'] as { PublicKey: string };
    for (const line of [
      // WireGuard sends no notification: the periodic check finds the change.
      `sh -c '${[
        `wg set flannel-wg listen-port 999 peer ${key.PublicKey} remove`,
        `wg set flannel-wg peer ${other.PublicKey} allowed-ips 10.9.0.0/16 persistent-keepalive off preshared-key /dev/null`,
        `wg set flannel-wg-v6 private-key /dev/null peer ${other.PublicKey} remove`,
      ].join(';')}'`,
      'ip link del flannel-wg',
      'ip link set flannel-wg-v6 down',
    ]) {
      await nodes.on(2, line);
      await until(`repaired after: ${line}`, async () => (await settings(2)) === whole, 60_000);
    }
    await until('all reach all', async () => (await nodes.lost([1, 2, 3], VERSIONS)).length === 0, 60_000);
    const log = await nodes.log(2);
    expect(log.match(/"kind":"repaired"/g)?.length).toBeGreaterThanOrEqual(3);
    expect(log).not.toContain(PSK);
  });

  test('a restart keeps the key, the link and the traffic', async () => {
    const link = async (): Promise<string> => await nodes.on(2, 'ip -o link show flannel-wg');
    const [before, whole] = [await link(), await settings(2)];
    await nodes.killAgent(2);
    expect(await nodes.lost([2, 3], VERSIONS)).toEqual([]);
    await nodes.startAgents([2]);
    expect([await link(), await settings(2)]).toEqual([before, whole]);
    expect(await nodes.log(2)).not.toContain('"kind":"repaired"');
  });

  test('one device for both versions of IP, with the mode auto', async () => {
    await nodes.configure(wireguard({ Mode: 'auto', ListenPort: 4500 }));
    await nodes.startStock(1);
    for (const node of [2, 3])
      await until(
        'the node has moved',
        async () => !(await nodes.on(node, 'ip -o link')).includes('flannel-wg-v6'),
        30_000,
      );
    await nodes.addAddresses([1, 2, 3]);
    await until('all reach all', async () => (await nodes.lost([1, 2, 3], VERSIONS)).length === 0, 60_000);
    expect(await peerOf(2, 'flannel-wg', '10.99.0.3')).toEqual(await peerOf(1, 'flannel-wg', '10.99.0.3'));
    expect((await nodes.leases()).get('10.99.0.2')).toMatchObject({
      BackendData: { Port: 4500 },
      BackendV6Data: { Port: 4500 },
    });
  });

  /** The first of the configs without IPv6: a running agent keeps the former one and says what to do. */
  async function restartWithoutIpv6(agents: readonly number[]): Promise<void> {
    for (const node of agents) {
      await until(
        'the agent reports the change',
        async () => (await nodes.log(node)).includes('EnableIPv6 of the flannel config has changed'),
        30_000,
      );
      await nodes.killAgent(node);
    }
    await nodes.startAgents(agents);
  }

  test.each([false, true])('ipip with DirectRouting %s', async (direct) => {
    await nodes.configure({ Network: '10.50.0.0/16', Backend: { Type: 'ipip', DirectRouting: direct } });
    if (!direct) await restartWithoutIpv6([2, 3]);
    await nodes.startStock(1);
    const route = direct
      ? /^10\.50\.\S+ via 10\.99\.0\.\d dev eth0/gm
      : /^10\.50\.\S+ via 10\.99\.0\.\d dev flannel\.ipip .*onlink/gm;
    for (const node of [1, 2, 3])
      await until(
        'there are two routes',
        async () => (await nodes.on(node, 'ip route')).match(route)?.length === 2,
        30_000,
      );
    await nodes.addAddresses([1, 2, 3]);
    await until('all reach all', async () => (await nodes.lost([1, 2, 3])).length === 0, 30_000);
    expect(await nodes.on(2, 'ip -o link')).not.toContain('flannel-wg');
    expect(await nodes.on(2, 'ip -d link show flannel.ipip')).toMatch(/mtu 1480[^]*local 10\.99\.0\.2/);
    expect(await nodes.guest.run('cat /run/n2/subnet.env')).toContain('FLANNEL_MTU=1480');
    expect((await nodes.leases()).get('10.99.0.2')?.['BackendType']).toBe('ipip');
  });

  test('leaving removes the link, the routes and the key, and the peers follow', async () => {
    await nodes.leave(2);
    expect(await nodes.on(2, 'ip -o link')).not.toContain('flannel');
    expect(await nodes.on(2, 'ip route')).not.toContain('10.50.');
    expect(await nodes.guest.run('ls /run/n2')).not.toMatch(/wgkey|subnet\.env/);
    for (const node of [1, 3])
      await until(
        'the route is gone',
        async () => !(await nodes.on(node, 'ip route')).includes('via 10.99.0.2 '),
      );
  });
});
