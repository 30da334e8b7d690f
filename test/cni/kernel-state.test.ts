import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareStates } from '../../src/cni/check/kernel-state.js';
import { openLab } from '../../src/cni/index.js';

type Lab = Awaited<ReturnType<typeof openLab>>;

let lab: Lab;
beforeAll(async () => {
  lab = await openLab({ uplink: 'eth0', stateDirectories: [] });
});
afterAll(() => lab[Symbol.asyncDispose]());

const RULE = ['POSTROUTING', '-s', '198.19.7.1/32', '-j', 'MASQUERADE'];

test.each([
  ['a link', ['ip', 'link', 'add', 'a0', 'type', 'veth', 'peer', 'name', 'b0'], 'new link: a0 down'],
  ['an address', ['ip', 'addr', 'add', '198.19.7.1/32', 'dev', 'lo'], 'new address: 198.19.7.1/32 dev lo'],
  [
    'a route',
    ['ip', 'route', 'add', '198.19.6.0/24', 'via', '198.18.0.2'],
    'new route: 198.19.6.0/24 via 198.18.0.2 dev eth0',
  ],
  ['a lost route', ['ip', 'route', 'del', 'default'], 'missing route: 0.0.0.0/0 via 198.18.0.2 dev eth0'],
  ['a rule', ['ip', 'rule', 'add', 'fwmark', '7', 'table', '7'], /^new rule: .*"fwmark":"0x7"/],
  [
    'a neighbour',
    ['ip', 'neigh', 'add', '198.18.0.9', 'lladdr', '02:00:00:00:00:09', 'dev', 'eth0', 'nud', 'permanent'],
    /^new permanent neighbour: .*"198\.18\.0\.9"/,
  ],
  ['a table of nftables', ['nft', 'add', 'table', 'inet', 'left'], 'new nftables line: table inet left'],
  [
    'a rule of iptables',
    ['iptables', '-t', 'nat', '-A', ...RULE],
    `new iptables rule: nat: -A ${RULE.join(' ')}`,
  ],
  [
    'the same rule again',
    ['iptables', '-t', 'nat', '-A', ...RULE],
    `new iptables rule: nat: -A ${RULE.join(' ')} (2 times)`,
  ],
  [
    'a setting',
    ['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'],
    'changed setting: net/ipv4/ip_forward from 0 to 1',
  ],
  ['a file', ['sh', '-c', 'echo x > /var/lib/cni/left'], 'new file: /var/lib/cni/left'],
])('%s that is left on the host is found', async (_, argv, finding) => {
  const before = await lab.readHost();
  const { code, stderr } = await lab.host.run(argv);
  expect([code, stderr]).toEqual([0, '']);
  const changes = compareStates(before, await lab.readHost());
  const expected = typeof finding === 'string' ? finding : (expect.stringMatching(finding) as string);
  expect(changes).toContainEqual(expected);
});

test('a host that nothing changes has no differences', async () => {
  expect(compareStates(await lab.readHost(), await lab.readHost())).toEqual([]);
});
