import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { clusterSupport } from '../kubernetes/cluster/index.js';
import { PREFIX, type LabNode, type NodeLab } from './node-lab.js';
import { pings } from './pings.js';
import { until } from './until.js';
import { useNodeLab } from './use-node-lab.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 240_000 });

const support = await clusterSupport();
if (!support.ok) console.error(`Skipped: flanneld beside ours: ${support.reason}`);

const NETWORK = { Network: '10.50.0.0/16' };
const VXLAN = { ...NETWORK, Backend: { Type: 'vxlan' } };
const HOST_GW = { ...NETWORK, Backend: { Type: 'host-gw' } };

/** Removes what flanneld leaves behind. */
function removeRestOfFlanneld(node: LabNode): void {
  for (const name of ['flannel.1', 'flannel-v6.1', 'cni0'])
    if (node.sh('ip -o link').includes(` ${name}:`)) node.sh(`ip link del ${name}`);
  for (const route of node.routes()) node.sh(`ip route del ${route.split(' ')[0] ?? ''}`);
  node.sh('nft flush ruleset');
}

let lab: NodeLab;
useNodeLab({ nodes: 3, config: VXLAN, restore: removeRestOfFlanneld }, (started) => (lab = started));

describe.skipIf(!support.ok)('beside the real flanneld', () => {
  test.each([
    ['vxlan', VXLAN, /via 10\.50\.\d+\.0 dev flannel\.1 onlink/],
    [
      'vxlan with DirectRouting',
      { ...NETWORK, Backend: { Type: 'vxlan', DirectRouting: true } },
      /via 10\.99\.0\.\d dev eth0/,
    ],
    ['host-gw', HOST_GW, /via 10\.99\.0\.\d dev eth0/],
  ])(
    '%s: routes and traffic both ways, and a node that leaves is removed from its peers',
    async (_, config, route) => {
      await lab.configure(config);
      const [one, two, three] = [lab.node(1), lab.node(2), lab.node(3)];
      await Promise.all([one.startStock(), two.start(), three.start()]);
      for (const node of lab.nodes) node.addAddress();
      for (const node of lab.nodes)
        await until(
          `${node.netns} has two routes`,
          () => node.routes().filter((line) => route.test(line)).length === 2,
        );
      for (const [from, to] of [
        [one, two],
        [two, one],
        [two, three],
        [three, one],
      ] as const)
        await until('traffic passes', () => from.reaches(to.addAddress(), from.addAddress()));
      expect((await two.status())['peers']).toBe(2);
      const { status, stdout } = await two.leave();
      expect([status, stdout]).toEqual([0, expect.stringContaining('the lease deleted')]);
      for (const node of [one, three])
        await until('the peers have dropped the route', () => node.routes().length === 1);
      expect(two.routes()).toEqual([]);
      expect(two.sh('nft list ruleset')).toBe('');
      expect(two.sh('ip -o link')).not.toContain('flannel');
      expect(existsSync(two.subnetFile)).toBe(false);
    },
  );

  test('dual stack: IPv4 and IPv6 pass in the same network', async () => {
    await lab.configure({ ...VXLAN, EnableIPv6: true, IPv6Network: 'fd50:0:0::/48' });
    const [one, two] = [lab.node(1), lab.node(2)];
    await Promise.all([one.startStock(), two.start()]);
    for (const node of [one, two]) {
      node.addAddress();
      node.sh(`ip addr add ${node.subnet6().replace(/\/\d+$/, '1')}/128 dev lo nodad`);
    }
    const inside = (node: LabNode): string => node.subnet6().replace(/\/\d+$/, '1');
    for (const [from, to] of [
      [one, two],
      [two, one],
    ] as const) {
      await until('IPv4 passes', () => from.reaches(to.addAddress(), from.addAddress()));
      await until('IPv6 passes', () => from.reaches(inside(to), inside(from)));
    }
    const status = await two.status();
    expect(status).toMatchObject({ ipv6Subnet: two.subnet6(), publicIpv6: two.address6, peers: 1 });
    await two.leave();
    expect(two.sh('ip -6 route')).not.toContain('via fd50');
    expect(two.sh('ip -o link')).not.toContain('flannel');
  });

  test('a host moves from flanneld to barewire and back without losing its subnet, its MAC or traffic', async () => {
    const [one, two] = [lab.node(1), lab.node(2)];
    await Promise.all([one.startStock(), two.startStock()]);
    const subnet = one.subnet();
    const macOf = (): string => /link\/ether (\S+)/.exec(one.sh('ip link show flannel.1'))?.[1] ?? '';
    const mac = macOf();
    const [from, to] = [two.addAddress(), one.addAddress()];
    await until('traffic passes', () => two.reaches(to, from));
    const lost = pings(two.netns, to, from);
    await one.stopStock();
    await one.start();
    expect([one.subnet(), macOf()]).toEqual([subnet, mac]);
    await one.stop();
    await one.startStock();
    expect(one.subnet()).toBe(subnet);
    expect(await lost()).toBe(0);
  });

  test('follows a flanneld that comes back with another MAC, and removes its old entries', async () => {
    const [one, two] = [lab.node(1), lab.node(2)];
    await Promise.all([one.startStock(), two.start()]);
    await until('there is a route', () => two.routes().length === 1);
    await one.stopStock();
    one.sh('ip link del flannel.1');
    await one.startStock();
    const mac = (): string => /link\/ether (\S+)/.exec(one.sh('ip link show flannel.1'))?.[1] ?? '';
    await until('the entry has the new MAC', () => {
      const entries = two
        .sh('bridge fdb show dev flannel.1')
        .split('\n')
        .filter((line) => line.includes('dst'));
      return entries.length === 1 && (entries[0]?.startsWith(mac()) ?? false);
    });
    await until('traffic passes', () => two.reaches(one.addAddress(), two.addAddress()));
  });
});

test('a kill changes nothing for traffic, and a restart repairs what was changed meanwhile', async () => {
  const [one, two] = [lab.node(1), lab.node(2)];
  await Promise.all([one.start(), two.start()]);
  await until('there are routes', () => one.routes().length === 1 && two.routes().length === 1);
  const [from, to] = [one.addAddress(), two.addAddress()];
  await until('traffic passes', () => one.reaches(to, from));
  const subnet = one.subnet();
  const lost = pings(one.netns, to, from);
  await one.stop('SIGKILL');
  // A peer that has left while the agent was down.
  const stale = '10.50.250.0/24';
  one.sh(`ip route add ${stale} via 10.50.250.0 dev flannel.1 onlink proto 66`);
  one.sh('ip neigh add 10.50.250.0 lladdr 02:00:00:00:00:99 dev flannel.1 nud permanent');
  one.sh('bridge fdb add 02:00:00:00:00:99 dev flannel.1 dst 10.99.0.99');
  await one.start();
  expect(one.subnet()).toBe(subnet);
  expect(one.routes()).toHaveLength(1);
  expect(one.sh('ip neigh')).not.toContain('02:00:00:00:00:99');
  expect(one.sh('bridge fdb')).not.toContain('02:00:00:00:00:99');
  expect(await lost()).toBe(0);
});

test('repairs what an administrator deletes: a route, the link, an entry, the rules', async () => {
  const [one, two] = [lab.node(1), lab.node(2)];
  await Promise.all([one.start(), two.start()]);
  await until('there is a route', () => one.routes().length === 1);
  const state = (): string =>
    [
      'ip route show dev flannel.1',
      'ip neigh show dev flannel.1',
      'bridge fdb show dev flannel.1',
      'nft list ruleset',
    ]
      .map((line) => one.sh(line))
      .concat(/link\/ether \S+/.exec(one.sh('ip link show flannel.1'))?.[0] ?? '')
      .join('--\n');
  const whole = state();
  for (const line of [
    `ip route del ${two.subnet()}`,
    'ip link del flannel.1',
    `ip neigh flush dev flannel.1 nud permanent`,
    'ip link set flannel.1 down',
  ]) {
    one.sh(line);
    await until(`repaired after: ${line}`, () => state() === whole, 3_000);
  }
  one.sh('nft delete table ip barewire-node');
  await until('the rules are back', () => state() === whole, 12_000);
  const status = await one.status();
  expect(status['repairedObjects']).toBeGreaterThan(5);
  expect(status['lastErrors']).toEqual([]);
});

test('a deleted lease is claimed again with the same subnet', async () => {
  const [one, two] = [lab.node(1), lab.node(2)];
  await Promise.all([one.start(), two.start()]);
  const subnet = one.subnet();
  await lab.etcd.ctl('del', `${PREFIX}/subnets/${subnet.replace('/', '-')}`);
  await until('the lease is there again', async () => (await lab.leases()).has(subnet));
  await until('the peer has its route', () => two.routes().some((line) => line.startsWith(subnet)));
  expect(one.events().map(({ kind }) => kind)).toContain('reclaimed');
});

test('without etcd nothing changes, and afterwards a new node is seen at once', async () => {
  const [one, two, three] = [lab.node(1), lab.node(2), lab.node(3)];
  await Promise.all([one.start(), two.start()]);
  await until('there are routes', () => one.routes().length === 1 && two.routes().length === 1);
  await lab.etcd.killMember(0);
  await until('the agent has noticed', () => one.events().some(({ kind }) => kind === 'disconnected'));
  expect([one.routes().length, two.routes().length]).toEqual([1, 1]);
  await lab.etcd.startMember(0);
  await three.start();
  await until('the new node is a peer', () => one.routes().length === 2 && two.routes().length === 2);
});

test('a changed config moves the node, and its old routes go', async () => {
  const [one, two] = [lab.node(1), lab.node(2)];
  await Promise.all([one.start(), two.start()]);
  await until('there are routes', () => one.routes().length === 1 && two.routes().length === 1);
  await lab.configure({ Network: '10.50.128.0/17', SubnetLen: 26, Backend: { Type: 'host-gw' } });
  const isMoved = (line = ''): boolean =>
    /^10\.50\.(12[89]|1[3-9]\d|2\d\d)\.\d+\/26 via 10\.99\.0\.\d dev eth0/.test(line);
  for (const node of [one, two])
    await until('the node has moved', () => node.routes().length === 1 && isMoved(node.routes()[0]), 30_000);
  expect(one.sh('ip -o link')).not.toContain('flannel.1');
  expect((await lab.leases()).size).toBe(2);
});

test('a config without a free subnet is followed once one is free', async () => {
  const one = lab.node(1);
  await one.start();
  const pool = { Network: '10.60.0.0/24', SubnetLen: 26, SubnetMin: '10.60.0.64', SubnetMax: '10.60.0.64' };
  const key = `${PREFIX}/subnets/10.60.0.64-26`;
  await lab.etcd.ctl('put', key, JSON.stringify({ PublicIP: '10.99.0.9', BackendType: 'host-gw' }));
  await lab.configure({ ...pool, Backend: { Type: 'host-gw' } });
  const errors = async (): Promise<string> => JSON.stringify((await one.status())['lastErrors']);
  await until('there is no free subnet', async () => (await errors()).includes('No free subnet'), 15_000);
  await lab.etcd.ctl('del', key);
  await until(
    'the lease has the new backend',
    async () => {
      const stdout = await lab.etcd.ctl('get', '--print-value-only', key);
      return stdout.includes('"BackendType":"host-gw"') && stdout.includes(one.address);
    },
    60_000,
  );
  await until('the node has moved', async () => (await one.status())['backend'] === 'host-gw', 15_000);
  expect(await one.status()).toMatchObject({ subnet: '10.60.0.64/26' });
  expect(one.sh('ip -o link')).not.toContain('flannel.1');
}, 120_000);

test('a node that restarts without IPv6 removes its rules for IPv6', async () => {
  const one = lab.node(1);
  await lab.configure({ ...VXLAN, EnableIPv6: true, IPv6Network: 'fd50:0:0::/48' });
  await one.start();
  expect(one.sh('nft list tables')).toContain('table ip6 barewire-node');
  await lab.configure(VXLAN);
  await until(
    'the change is refused while the agent runs',
    async () => JSON.stringify((await one.status())['lastErrors']).includes('EnableIPv6'),
    15_000,
  );
  await one.stop();
  await one.start();
  expect(one.sh('nft list tables').trim()).toBe('table ip barewire-node');
  expect((await one.status())['ipv6Subnet']).toBeNull();
});

test('leases that come, change, overlap and go one by one are followed', async () => {
  const one = lab.node(1);
  await lab.configure(HOST_GW);
  await one.start();
  const keyOf = (name: string): string => `${PREFIX}/subnets/${name}`;
  const put = (name: string, host: number): Promise<unknown> =>
    lab.etcd.ctl('put', keyOf(name), JSON.stringify({ PublicIP: `10.99.0.${host}`, BackendType: 'host-gw' }));
  const follows = (what: string, routes: readonly string[]): Promise<void> =>
    until(what, () => one.routes().join() === routes.map((route) => `${route} dev eth0`).join(), 3_000);
  await put('10.50.201.0-24', 7);
  await follows('the first', ['10.50.201.0/24 via 10.99.0.7']);
  await put('10.50.202.0-24', 8);
  await follows('the second', ['10.50.201.0/24 via 10.99.0.7', '10.50.202.0/24 via 10.99.0.8']);
  await put('10.50.202.0-24', 9);
  await follows('another address', ['10.50.201.0/24 via 10.99.0.7', '10.50.202.0/24 via 10.99.0.9']);
  // It has addresses of an older one, which keeps them.
  await put('10.50.202.128-25', 6);
  await put('10.50.203.0-24', 5);
  const older = [
    '10.50.201.0/24 via 10.99.0.7',
    '10.50.202.0/24 via 10.99.0.9',
    '10.50.203.0/24 via 10.99.0.5',
  ];
  await follows('the one after the overlap', older);
  await lab.etcd.ctl('del', keyOf('10.50.202.0-24'));
  const younger = [
    '10.50.201.0/24 via 10.99.0.7',
    '10.50.202.128/25 via 10.99.0.6',
    '10.50.203.0/24 via 10.99.0.5',
  ];
  await follows('the younger one takes over', younger);
  await lab.etcd.ctl('del', keyOf('10.50.202.128-25'));
  await lab.etcd.ctl('del', keyOf('10.50.201.0-24'));
  await follows('only one is left', ['10.50.203.0/24 via 10.99.0.5']);
  await put('10.50.203.0-24', 4);
  await lab.etcd.ctl('del', keyOf('10.50.203.0-24'));
  await put('10.50.203.0-24', 3);
  await follows('one that was deleted and made again', ['10.50.203.0/24 via 10.99.0.3']);
});

test('leases that it cannot use are ignored and named', async () => {
  const one = lab.node(1);
  await lab.configure(HOST_GW);
  await one.start('--ip-masq=false');
  expect(readFileSync(one.subnetFile, 'utf8')).toContain('FLANNEL_IPMASQ=false');
  expect(one.sh('nft list ruleset')).not.toContain('masquerade');
  const put = (name: string, value: object): Promise<unknown> =>
    lab.etcd.ctl('put', `${PREFIX}/subnets/${name}`, JSON.stringify(value));
  await put('10.50.201.0-24', { PublicIP: '10.99.0.7', BackendType: 'vxlan' });
  await put('10.50.202.0-24', { PublicIP: '203.0.113.7', BackendType: 'host-gw' });
  await put('10.50.203.0-24', { PublicIP: '10.99.0.8', BackendType: 'host-gw' });
  await put('10.50.203.64-26', { PublicIP: '10.99.0.9', BackendType: 'host-gw' });
  await put('10.60.1.0-24', { PublicIP: '10.99.0.9', BackendType: 'host-gw' });
  await until('the usable one has a route', () => one.routes().length === 1);
  expect(one.routes()).toEqual(['10.50.203.0/24 via 10.99.0.8 dev eth0']);
  await until('the last one has arrived', async () =>
    JSON.stringify((await one.status())['ignoredLeases']).includes('10.60.1.0'),
  );
  const status = await one.status();
  expect(status['unusedPeers']).toEqual([
    { subnet: '10.50.201.0/24', problem: { kind: 'other-backend', backendType: 'vxlan' } },
    { subnet: '10.50.202.0/24', problem: { kind: 'not-on-segment', publicIp: '203.0.113.7' } },
  ]);
  expect(status['ignoredLeases']).toEqual([
    { name: '10.50.203.64-26', problem: { kind: 'overlap', with: '10.50.203.0-24' } },
    { name: '10.60.1.0-24', problem: { kind: 'outside-network' } },
  ]);
  const { stdout } = await one.barewire('node', 'status', '--socket', `${one.folder}/socket`);
  expect(stdout).toContain(
    '10.50.203.64-26: it has addresses of the older lease 10.50.203.0-24, which keeps them',
  );
  expect(stdout).toContain('10.60.1.0-24: the subnet is outside the Network of the config');
});

test('a second agent, an unknown backend and a wrong interface are refused with what to do', async () => {
  const one = lab.node(1);
  await one.start();
  const again = await one.barewire(
    ...['node', '--etcd-endpoints', lab.etcd.endpoints.join(), '--state', `${one.folder}/state`],
    ...['--socket', `${one.folder}/other`],
  );
  expect([again.status, again.stderr]).toEqual([
    3,
    expect.stringMatching(/in use by another Barewire \(node/),
  ]);
  const two = lab.node(2);
  const refused = (...args: string[]) =>
    two.barewire(
      ...['node', '--etcd-endpoints', lab.etcd.endpoints.join(), '--state', `${two.folder}/state`, ...args],
    );
  const wrong = await refused('--iface', 'eth7');
  expect([wrong.status, wrong.stderr]).toEqual([
    2,
    expect.stringMatching(/no interface eth7: it has lo .*, eth0 10\.99/),
  ]);
  for (const name of ['ipvlan-l3s', 'ipvlan-l2']) {
    const overlay = await refused('--attachment', name);
    expect([overlay.status, overlay.stderr]).toEqual([
      2,
      expect.stringContaining(`${name} needs the backend host-gw`),
    ]);
  }
  await lab.configure({ ...NETWORK, Backend: { Type: 'udp' } });
  const backend = await refused();
  expect([backend.status, backend.stderr]).toEqual([
    2,
    expect.stringMatching(/"udp", which Barewire does not run/),
  ]);
  expect((await lab.leases()).size).toBe(1);
});
