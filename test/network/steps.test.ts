import { describe, expect, test } from 'vitest';
import { clientPlan, names, printed, twoHosts, twoHosts6 } from './request.js';

const C = 'bw-r1-client-c1';
const HOST_ROUTE = 'ip route add 198.19.2.0/24 via 198.18.0.2 dev eth0';

const FORWARD = 'sysctl -w net.ipv4.ip_forward=1';

const bridged = (mtu: number, backend: readonly string[]): string[] => [
  FORWARD,
  'ip link add cni0 up type bridge',
  'ip addr add 198.19.1.1/24 dev cni0',
  ...backend,
  `ip netns add ${C}`,
  `ip link add bw-r1-c1 mtu ${mtu} master cni0 up type veth peer name eth0 mtu ${mtu} netns ${C}`,
  `ip -n ${C} link set lo up`,
  `ip -n ${C} link set eth0 addrgenmode none`,
  `ip -n ${C} addr add 198.19.1.2/24 dev eth0`,
  `ip -n ${C} link set eth0 up`,
  `ip -n ${C} route add default via 198.19.1.1`,
];

const ON_SUBNET = [
  `ip -n ${C} addr add 198.19.1.2/32 dev eth0`,
  `ip -n ${C} link set eth0 up`,
  `ip -n ${C} route add default dev eth0`,
];

const onSegment = (link: string): string[] => [
  `ip netns add ${C}`,
  `ip link add link eth0 name bw-r1-c1 netns ${C} type ${link}`,
  `ip -n ${C} link set bw-r1-c1 name eth0`,
  `ip -n ${C} link set lo up`,
  `ip -n ${C} link set eth0 addrgenmode none`,
  `ip -n ${C} addr add 198.18.0.33/24 dev eth0`,
  `ip -n ${C} link set eth0 up`,
];

/** What a reader would type on the first of two hosts. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  host: [],
  'flannel-host-gw': bridged(1500, [HOST_ROUTE]),
  'flannel-vxlan': bridged(1450, [
    'ip link add flannel.1 address 02:74:2e:ee:5c:44 mtu 1450 up type vxlan id 1 dev eth0 local 198.18.0.1 dstport 8472 nolearning',
    'ip addr add 198.19.1.0/32 dev flannel.1',
    'ip neigh add 198.19.2.0 lladdr 02:03:a1:dd:5d:7f dev flannel.1 nud permanent',
    'bridge fdb add 02:03:a1:dd:5d:7f dev flannel.1 dst 198.18.0.2',
    'ip route add 198.19.2.0/24 via 198.19.2.0 dev flannel.1 onlink',
  ]),
  'flannel-ipip': bridged(1480, [
    'ip link add flannel.ipip mtu 1480 up type ipip local 198.18.0.1 dev eth0',
    'ip addr add 198.19.1.0/32 dev flannel.ipip',
    'ip route add 198.19.2.0/24 via 198.18.0.2 dev flannel.ipip onlink',
  ]),
  'flannel-wireguard': [
    'mkdir -p /run/barewire/r1-client-wg',
    '(umask 077; wg genkey > /run/barewire/r1-client-wg/key)',
    'ip link add flannel-wg mtu 1420 type wireguard',
    'wg set flannel-wg listen-port 51820 private-key /run/barewire/r1-client-wg/key',
    ...bridged(1420, [
      'wg set flannel-wg peer <public-key(server)> endpoint 198.18.0.2:51820 allowed-ips 198.19.2.0/24',
      'ip addr add 198.19.1.0/32 dev flannel-wg',
      'ip link set flannel-wg up',
      'ip route add 198.19.0.0/16 dev flannel-wg',
    ]),
  ],
  'flannel-aws-vpc': bridged(1500, []),
  'host-gw-ptp': [
    FORWARD,
    HOST_ROUTE,
    `ip netns add ${C}`,
    `ip link add bw-r1-c1 mtu 1500 up type veth peer name eth0 mtu 1500 netns ${C}`,
    'ip addr add 198.19.1.1/32 dev bw-r1-c1',
    'ip route add 198.19.1.2 dev bw-r1-c1',
    `ip -n ${C} link set lo up`,
    `ip -n ${C} link set eth0 addrgenmode none`,
    `ip -n ${C} addr add 198.19.1.2/32 dev eth0`,
    `ip -n ${C} link set eth0 up`,
    `ip -n ${C} route add 198.19.1.1 dev eth0`,
    `ip -n ${C} route add default via 198.19.1.1`,
  ],
  'ipvlan-l3': [HOST_ROUTE, ...onSegment('ipvlan mode l3').slice(0, 5), ...ON_SUBNET],
  'ipvlan-l3s': [HOST_ROUTE, ...onSegment('ipvlan mode l3s').slice(0, 5), ...ON_SUBNET],
  macvlan: onSegment('macvlan mode bridge'),
  ipvlan: onSegment('ipvlan mode l2'),
};

describe('the steps of a network are the golden commands', () => {
  test.each(Object.entries(EXPECTED))('%s', (name, lines) => {
    expect(printed(clientPlan(name))).toEqual(lines);
  });

  test.each(names)('say nothing of IPv6 where there is none: %s', (name) => {
    const hosts = twoHosts.hosts.map((host) => ({ ...host, ipv6: false }));
    const without = printed(clientPlan(name, { ...twoHosts, hosts }));
    expect(without).toEqual(printed(clientPlan(name)).filter((line) => !line.includes('addrgenmode')));
  });

  test("flannel-aws-vpc in a VPC has a route by the VPC's router, and not by the peer", () => {
    const hosts = twoHosts.hosts.map((host) => ({ ...host, vpc: { dev: 'vpc0', router: '198.18.1.1' } }));
    const plan = clientPlan('flannel-aws-vpc', { ...twoHosts, hosts });
    expect(printed(plan)).toEqual(bridged(1500, ['ip route add 198.19.2.0/24 via 198.18.1.1 dev vpc0']));
    expect(plan.path[0]).toEqual({ netns: null, link: 'vpc0' });
  });

  test('cover every network of the catalog', () => {
    expect(Object.keys(EXPECTED).toSorted()).toEqual(names.toSorted());
  });
});

const bridged6 = (mtu: number, backend: readonly string[]): string[] => [
  'sysctl -w net.ipv6.conf.all.forwarding=1',
  'ip link add cni0 up type bridge',
  'ip addr add 2001:2:0:1901::1/64 dev cni0 nodad',
  'ip addr add fe80::1/64 dev cni0 nodad',
  ...backend,
  `ip netns add ${C}`,
  `ip link add bw-r1-c1 mtu ${mtu} master cni0 up type veth peer name eth0 mtu ${mtu} netns ${C}`,
  `ip -n ${C} link set lo up`,
  `ip -n ${C} link set eth0 addrgenmode none`,
  `ip -n ${C} addr add 2001:2:0:1901::2/64 dev eth0 nodad`,
  `ip -n ${C} link set eth0 up`,
  `ip -n ${C} route add ::/0 via 2001:2:0:1901::1`,
];

describe('over IPv6', () => {
  test.each([
    ['flannel-host-gw', bridged6(1500, ['ip route add 2001:2:0:1902::/64 via 2001:2:0:18::2 dev eth0'])],
    [
      'flannel-vxlan',
      bridged6(1430, [
        'ip link add flannel-v6.1 address 02:74:2e:ee:5c:44 mtu 1430 up type vxlan id 1 dev eth0 local 2001:2:0:18::1 dstport 8472 nolearning',
        'ip addr add 2001:2:0:1901::/128 dev flannel-v6.1 nodad',
        'ip neigh add 2001:2:0:1902:: lladdr 02:03:a1:dd:5d:7f dev flannel-v6.1 nud permanent',
        'bridge fdb add 02:03:a1:dd:5d:7f dev flannel-v6.1 dst 2001:2:0:18::2',
        'ip route add 2001:2:0:1902::/64 via 2001:2:0:1902:: dev flannel-v6.1 onlink',
      ]),
    ],
    [
      'macvlan',
      onSegment('macvlan mode bridge').map((line) =>
        line.replace('198.18.0.33/24 dev eth0', '2001:2:0:18::21/64 dev eth0 nodad'),
      ),
    ],
  ])('%s', (name, lines) => {
    expect(printed(clientPlan(name, twoHosts6))).toEqual(lines);
  });

  test("a tunnel with an MTU below IPv6's minimum is refused", () => {
    const hosts = twoHosts6.hosts.map((host) => ({ ...host, mtu: 1340 }));
    expect(() => clientPlan('flannel-vxlan', { ...twoHosts6, hosts })).toThrow(/1270 bytes .* needs 1280/);
  });
});

describe('a network with keys', () => {
  const [first] = twoHosts.hosts;
  const known = twoHosts.hosts.map((host) => (host === first ? host : { ...host, publicKey: 'cHVibGlj' }));

  test('creates its key first and prints only the public part', () => {
    const { keyExchange, steps } = clientPlan('flannel-wireguard');
    expect(keyExchange).toEqual({ steps: 4, query: ['wg', 'show', 'flannel-wg', 'public-key'] });
    expect(steps.slice(0, 4).every(({ do: action }) => !JSON.stringify(action).includes('<public-key'))).toBe(
      true,
    );
  });

  test('inserts the public keys of its peers and changes nothing else', () => {
    const expected = printed(clientPlan('flannel-wireguard')).map((line) =>
      line.replace('<public-key(server)>', 'cHVibGlj'),
    );
    expect(printed(clientPlan('flannel-wireguard', { ...twoHosts, hosts: known }))).toEqual(expected);
  });
});

test('WireGuard beside the WireGuard of a node agent has a device and a port of its own', () => {
  const deployed = { backend: 'wireguard', attachment: 'bridge' };
  const hosts = twoHosts.hosts.map((host) => ({ ...host, deployed }));
  const steps = printed(clientPlan('flannel-wireguard', { ...twoHosts, hosts })).join('\n');
  expect(steps).toContain('ip link add bw-wg mtu 1420 type wireguard');
  expect(steps).toContain('endpoint 198.18.0.2:51822');
  expect(steps).toContain('ip link add bw-cni0 up type bridge');
  expect(steps).not.toMatch(/flannel-wg|51820/);
});
