import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ETCD_START_MS, findEtcd } from '../etcd-programs.js';
import { requestOf, rulesOf, type CaseLab, type CaseNode } from './cases.js';
import { NodeGuest } from './node-guest.js';
import { testCases } from './test-cases.js';

const isRoot = process.getuid?.() === 0;
// What can build etcd can build flanneld.
const canBuild = (await findEtcd()).some(({ version }) => version === '3.6');
if (!isRoot || !canBuild) console.error('Skipped: nodes with IPvlan in a guest need root and Go');

const ATTACHMENTS = ['ipvlan-l3s', 'ipvlan-l3', 'ipvlan-l2'] as const;
const OURS = [2, 3, 4];
const PAIRS = OURS.flatMap((one) =>
  OURS.filter((other) => other !== one).map((other) => [one, other] as const),
);
const each = (command: string): string =>
  OURS.map((number) => command.replaceAll('%', String(number))).join('\n');
/** An emulated machine, on a machine that may have other work. */
const TEST_MS = 180_000;

describe.skipIf(!isRoot || !canBuild)('nodes with IPvlan beside flanneld', () => {
  let guest: NodeGuest;
  let cases: CaseLab;
  let results: Readonly<Record<string, string>>;

  beforeAll(async () => {
    guest = await NodeGuest.boot(4);
    const config = JSON.stringify({ Network: '10.50.0.0/16', Backend: { Type: 'host-gw' } });
    await guest.run(`modprobe br_netfilter
record_modprobe
start_hub '${config}'
add_node 1
start_flanneld 1
${each('add_node %')}
${ATTACHMENTS.map((attachment, at) => `start_agent ${at + 2} ${attachment}`).join('\n')}
${each('until_ready % || exit')}
# The strict check of the reverse path, which some distributions have.
${each('ip netns exec n% sysctl -qw net.ipv4.conf.all.rp_filter=1')}`);
    const printed = await guest.run(`until_true 'test -s /run/n1/subnet.env'
attach_by_bridge 1
${each('until_route 1 % && until_route % 1 || exit')}
${each('for c in a b; do attach % $c || cat /run/n%/$c.json; done')}
for n in 1 2 3 4; do for c in a b; do echo n$n$c $(ip -n n$n$c -4 -o addr show dev eth0); done; done`);
    const addresses = new Map(
      [...printed.matchAll(/^(n\d[ab]) .* inet ([\d.]+)/gm)].map(([, name, address]) => [
        name,
        address ?? '',
      ]),
    );
    const node = (number: number) => ({
      number,
      a: addresses.get(`n${number}a`) ?? printed,
      b: addresses.get(`n${number}b`) ?? printed,
    });
    const ours: CaseNode[] = ATTACHMENTS.map((attachment, at) => ({ attachment, ...node(at + 2) }));
    cases = { prefix: '', stock: node(1), ours };
    await guest.run(rulesOf(cases));
    results = await guest.connect(requestOf(cases, 10_000));
  }, ETCD_START_MS);
  afterAll(() => guest[Symbol.asyncDispose]());

  testCases(ATTACHMENTS, () => ({ cases, results, run: (script) => guest.run(script) }), TEST_MS);

  test(
    'flanneld routes to nodes with IPvlan, whose leases have the backend type host-gw',
    async () => {
      const printed = await guest.run(`ip -n n1 route
etcdctl get --prefix /coreos.com/network/subnets/`);
      for (const { attachment, number, a } of cases.ours) {
        const subnet = a.replace(/\d+$/, '0');
        expect(printed).toContain(`${subnet}/24 via 10.99.0.${number} dev eth0`);
        expect(printed).toContain(
          `{"PublicIP":"10.99.0.${number}","PublicIPv6":null,"BackendType":"host-gw","BackendData":{"Barewire":{"attachment":"${attachment}"}}}`,
        );
      }
    },
    TEST_MS,
  );

  test(
    'no look for a link by its name makes the kernel run modprobe',
    async () => {
      // A look by ioctl does.
      const printed = await guest.run(`/run/guest/busybox ifconfig no-such0 || true
cat /run/modprobe.log`);
      expect(printed.match(/\bnetdev-\S+/g)).toEqual(['netdev-no-such0']);
    },
    TEST_MS,
  );

  test(
    'no ping from a container to the outside or to another node is lost or redirected',
    async () => {
      const output = await guest.run(
        each(`for to in 10.99.0.254 ${cases.stock.a}; do ip netns exec n%a ping -c 6 -i 0.2 $to; done`),
      );
      expect(output.match(/ 0% packet loss/g), output).toHaveLength(2 * OURS.length);
      expect(output).not.toContain('Redirect');
    },
    TEST_MS,
  );

  test(
    'containers stay connected while the agents are killed and started again',
    async () => {
      const output =
        await guest.run(`${each(`ip netns exec n%a ping -i 0.2 -w 120 ${cases.stock.b} >/run/n%/ping &
echo $! >/run/n%/ping.pid`)}
${each('kill -9 $(cat /run/n%/pid)')}
${ATTACHMENTS.map((attachment, at) => `start_agent ${at + 2} ${attachment}`).join('\n')}
${each('until_ready % || exit')}
${each('kill -s INT $(cat /run/n%/ping.pid); until_true "grep transmitted /run/n%/ping"; grep transmitted /run/n%/ping')}
${each('grep -h repaired /run/n%/log; cni CHECK % a; ip -n n% -o link show bw-host')}`);
      expect(output.match(/ 0% packet loss/g), output).toHaveLength(3);
      expect(output).not.toMatch(/repaired|"code"/);
    },
    TEST_MS,
  );

  test(
    'after node leave nothing is left on the hosts, in etcd and on the node with flanneld',
    async () => {
      const output = await guest.run(`${each('leave % &')}
wait
${each('ip -n n% -o link; ip -n n% route show proto 66; ip netns exec n% nft list table ip barewire-node; ls /run/n%/subnet.env || true')}
etcdctl get --prefix --keys-only /coreos.com/network/subnets/
ip -n n1 route`);
      expect(output.match(/Left the network.* the lease deleted/g), output).toHaveLength(OURS.length);
      expect(output.match(/^\d+: [^:@]+/gm)?.map((line) => line.replace(/^\d+: /, ''))).toEqual(
        OURS.flatMap(() => ['lo', 'eth0']),
      );
      expect(output).not.toContain('postrouting');
      expect(output.match(/\/subnets\/.*/g)).toEqual([`/subnets/${cases.stock.a.replace(/\d+$/, '0')}-24`]);
      const ofStock = output.slice(output.indexOf('/coreos.com'));
      for (const { a } of cases.ours) expect(ofStock).not.toContain(a.replace(/\d+$/, '0'));
    },
    TEST_MS,
  );

  test(
    'over IPv6 containers of all nodes reach each other and the outside',
    async () => {
      const config = JSON.stringify({
        ...{ Network: '10.50.0.0/16', EnableIPv6: true, IPv6Network: 'fd50::/48' },
        Backend: { Type: 'host-gw' },
      });
      const printed = await guest.run(`etcdctl put /coreos.com/network/config '${config}'
ip -n hub addr add fd99::254/64 dev br0 nodad
${each('ip -n n% addr add fd99::%/64 dev eth0 nodad; ip -n n% -6 route add default via fd99::254')}
${ATTACHMENTS.map((attachment, at) => `start_agent ${at + 2} ${attachment}`).join('\n')}
${each('until_ready % || exit')}
${PAIRS.map(([one, other]) => `until_route6 ${one} ${other} || exit`).join('\n')}
${each('for c in a b; do ip netns del n%$c; attach % $c || cat /run/n%/$c.json; done')}
for n in ${OURS.join(' ')}; do for c in a b; do echo n$n$c $(ip -n n$n$c -6 -o addr show dev eth0 scope global); done; done`);
      const found = [...printed.matchAll(/^(n\d[ab]) .* inet6 (fd50[0-9a-f:]+)/gm)];
      const addresses = found.map(([, name = '', address = '']) => ({ name, address }));
      expect(addresses, printed).toHaveLength(2 * OURS.length);
      const outside = { name: 'hub', address: 'fd99::254' };
      const pings = addresses.flatMap(({ name: from }) =>
        [...addresses, outside].flatMap(({ name: to, address }) =>
          from === to ? [] : [{ from, to, address }],
        ),
      );
      const output = await guest.run(
        `${pings.map(({ from, to, address }) => `{ ip netns exec ${from} ping -6 -q -c 1 -W 20 ${address} >/dev/null && echo ${from}-${to}; } &`).join('\n')}
wait`,
      );
      const reached = new Set(output.split('\n').filter(Boolean));
      expect(pings.map(({ from, to }) => `${from}-${to}`).filter((pair) => !reached.has(pair))).toEqual([]);
    },
    TEST_MS,
  );
});
