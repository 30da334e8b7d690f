import { describe, expect, test } from 'vitest';
import { freshRunId } from '../../src/machine/index.js';
import { findNetwork } from '../../src/network/index.js';
import {
  checkPath,
  openTestbed,
  setUpNetwork,
  type PathReport,
  type ActiveNetwork,
  type Testbed,
} from '../../src/testbed/index.js';
import { onHost } from './dump.js';

type Request = (testbed: Testbed, active: ActiveNetwork) => Promise<void>;

const pingOnce: Request = async (testbed, { client, server }) => {
  const argv = ['ping', '-q', '-c', '1', '-W', '1', server.address];
  await testbed.client.machine.run(argv, { netns: client.netns });
};

/** Changes a host by hand behind the network's back: `ROLE LINE`, with the run's id for RUN. */
function sabotage(testbed: Testbed, lines: readonly string[]): void {
  for (const line of lines) {
    const [role, ...words] = line.replaceAll('RUN', testbed.run).split(' ');
    if (role === 'client' || role === 'server') onHost(testbed, role, words.join(' '));
  }
}

/** On a testbed of its own, since sabotage stays. */
async function check(name: string, lines: readonly string[], request = pingOnce): Promise<PathReport> {
  await using testbed = await openTestbed(
    { kind: 'netns' },
    { run: RUN, wire: { mtu: 1500, rateMbps: null } },
  );
  await using active = await setUpNetwork(testbed, findNetwork(name));
  sabotage(testbed, lines);
  return await checkPath(testbed, active, () => request(testbed, active));
}

const RUN = freshRunId();

describe('a correct path', () => {
  test.each([
    ['host', 1500, ['client eth0', 'server eth0']],
    ['macvlan', 1500, ['client eth0', 'client eth0', 'server eth0', 'server eth0']],
    [
      'flannel-vxlan',
      1450,
      [
        ...['client eth0', 'client bw-RUN-c1', 'client cni0', 'client flannel.1', 'client eth0'],
        ...['server eth0', 'server flannel.1', 'server cni0', 'server bw-RUN-c1', 'server eth0'],
      ],
    ],
  ])('is reported from container to container for %s', async (name, mtu, devices) => {
    const report = await check(name, []);
    expect(report.mtu).toBe(mtu);
    expect(report.through.map(({ host, waypoint }) => `${host} ${waypoint.link}`)).toEqual(
      devices.map((device) => device.replaceAll('RUN', RUN)),
    );
    for (const { received, sent } of report.through)
      expect(Math.min(received, sent)).toBeGreaterThan(report.pings);
  });
});

/** A second wire beside the first, with routes that send containers' packets over it. */
const SIDE_WIRE = [
  'client ip link add side up type veth peer name side netns bw-RUN-server',
  'server ip link set side up',
  'client ip addr add 10.77.0.1/24 dev side',
  'server ip addr add 10.77.0.2/24 dev side',
  'client ip route replace 198.19.2.0/24 via 10.77.0.2 dev side',
  'server ip route replace 198.19.1.0/24 via 10.77.0.1 dev side',
];
const BYPASS_TUNNEL = [
  'client ip route replace 198.19.2.0/24 via 198.18.0.2 dev eth0',
  'server ip route replace 198.19.1.0/24 via 198.18.0.1 dev eth0',
];

describe('a wrong path is refused with the device and its counts', () => {
  test.each([
    [
      'flannel-vxlan',
      'packets go round the tunnel',
      BYPASS_TUNNEL,
      /flannel\.1 of the client received 0 and sent 0 /,
    ],
    [
      'flannel-vxlan',
      'packets come back round the tunnel',
      BYPASS_TUNNEL.slice(1),
      /flannel\.1 of the client received 0 and sent 6 /,
    ],
    [
      'flannel-vxlan',
      'the tunnel does not know its peer',
      ['client bridge fdb flush dev flannel.1'],
      /flannel\.1 of the client .*0 of 3 pings of \d+ bytes from the client/,
    ],
    [
      'flannel-host-gw',
      'a route is gone',
      ['client ip route del 198.19.2.0/24'],
      /eth0 of the client .*0 of 3 pings of \d+ bytes from the client/,
    ],
    [
      'flannel-host-gw',
      'a firewall drops what is forwarded',
      ['server ip rule add pref 10 iif eth0 to 198.19.0.0/16 blackhole'],
      /(cni0 of|eth0 in the container of) the server .*0 of 3 pings/,
    ],
    [
      'macvlan',
      'the far container has another address',
      ['server ip -n bw-RUN-server-c1 addr flush dev eth0'],
      /0 of 3 pings of 1500 bytes from the client/,
    ],
  ])('%s: %s', async (name, _what, lines, message) => {
    const refused = check(name, lines);
    await expect(refused).rejects.toMatchObject({ code: 'path-check-failed', fault: 'machine' });
    await expect(refused).rejects.toThrow(message);
  });

  test('flannel-host-gw: packets take a second wire', async () => {
    const refused = check('flannel-host-gw', SIDE_WIRE);
    await expect(refused).rejects.toThrow(
      /eth0 of the client received 0 and sent 0 packets, expected at least 6/,
    );
  });
});

describe('a wrong MTU is refused', () => {
  test.each([
    [
      'flannel-vxlan',
      'client ip -n bw-RUN-client-c1 link set eth0 mtu 1500',
      /eth0 in the client's container has MTU 1500, expected 1450/,
    ],
    [
      'macvlan',
      'server ip -n bw-RUN-server-c1 link set eth0 mtu 1400',
      /eth0 in the server's container has MTU 1400, expected 1500/,
    ],
    [
      'flannel-host-gw',
      'client ip link set cni0 mtu 1400',
      /3 of 3 pings of 1500 bytes from the client were answered, 0 of 3 from the server/,
    ],
  ])('%s: %s', async (name, line, message) => {
    await expect(check(name, [line])).rejects.toThrow(message);
  });
});

describe('the request', () => {
  test('that sends nothing over the path is refused', async () => {
    const nothing = check('flannel-host-gw', [], () => Promise.resolve());
    await expect(nothing).rejects.toThrow(
      /received 0 and sent 0 packets, expected at least 1 each way \(the request\)/,
    );
  });

  /** `count` pings over the loopback interface of the client's container, beside the one over the path. */
  const alsoOverLoopback =
    (count: number): Request =>
    async (testbed, active) => {
      await pingOnce(testbed, active);
      const argv = ['ping', '-q', '-i', '0.002', '-c', String(count), '127.0.0.1'];
      await testbed.client.machine.run(argv, { netns: active.client.netns });
    };

  test('that also crosses a loopback interface is refused', async () => {
    await expect(check('macvlan', [], alsoOverLoopback(20))).rejects.toThrow(
      /lo in the container of the client received 40 and sent 40 packets, as many as the path/,
    );
  });

  test('ignores a few packets of other programs', async () => {
    await expect(check('macvlan', [], alsoOverLoopback(1))).resolves.toMatchObject({ mtu: 1500 });
  });

  test('ignores steady traffic of other programs', async () => {
    const busy = check('macvlan', [], async (testbed, active) => {
      const argv = ['ping', '-q', '-i', '0.005', '-w', '3', '127.0.0.1'];
      // It outlasts the check, and ends with the agent.
      void testbed.client.machine.run(argv, { netns: active.client.netns }).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 200));
      await pingOnce(testbed, active);
    });
    await expect(busy).resolves.toMatchObject({ mtu: 1500 });
  });

  test('that fails is reported with its error', async () => {
    const failing = check('host', [], () => Promise.reject(new RangeError('no answer')));
    await expect(failing).rejects.toThrow(new RangeError('no answer'));
  });
});
