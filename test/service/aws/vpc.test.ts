import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { planVpcPeers, reversePathSettings } from '../../../src/service/aws/peers.js';
import { inside, ip, openContainer, reaches, sh } from './container.js';
import { endAfterEach, openNode, openVpc, type TestNode } from './opened.js';
import { EC2_INSIDE, METADATA_INSIDE, modelId, type VpcModel } from './vpc-model.js';

async function twoNodes(vpc: VpcModel, subnets: readonly [string, string]): Promise<[TestNode, TestNode]> {
  return [await openNode(vpc, subnets[0], '10.50.1.0/24'), await openNode(vpc, subnets[1], '10.50.2.0/24')];
}

describe('containers of two instances in different VPC subnets', () => {
  endAfterEach();
  const layout = { subnets: ['a', 'b'], tables: [['a', 'b']] };
  const table = modelId('rtb', 0);

  test('reach each other only with both routes and both checks off', async () => {
    const vpc = await openVpc(layout);
    const [one, two] = await twoNodes(vpc, ['a', 'b']);
    using first = openContainer(one);
    using second = openContainer(two);
    expect(reaches(first, second)).toBe(false);
    await one.check([two]);
    await two.check([one]);
    expect(reaches(first, second)).toBe(true);
    expect(reaches(second, first, 8_900)).toBe(true);

    vpc.ec2.setInterface(two.instance.interface, { sourceDestCheck: true });
    expect(reaches(first, second)).toBe(false);
    expect((await two.check([one])).changes).toEqual([{ change: 'switch-check-off' }]);
    expect(reaches(first, second)).toBe(true);

    const { routes } = vpc.ec2.state.tables[0]!;
    vpc.ec2.setRoutes(
      table,
      routes.filter(({ destination }) => destination !== two.lease.subnet),
    );
    expect(reaches(first, second)).toBe(false);
    await two.check([one]);
    expect(reaches(first, second)).toBe(true);

    await two.backend.release(two.lease.subnet);
    expect(reaches(first, second)).toBe(false);
  });

  test('keep their connection while a wrong route is replaced and others are cleaned up', async () => {
    const vpc = await openVpc(layout);
    const [one, two] = await twoNodes(vpc, ['a', 'b']);
    const gone = await vpc.launch('a');
    using first = openContainer(one);
    using second = openContainer(two);
    await one.check([two]);
    await two.check([one]);
    vpc.ec2.setRoutes(table, [
      ...vpc.ec2
        .routes(table)
        .map((route) =>
          route.destination === two.lease.subnet ? { ...route, target: gone.interface } : route,
        ),
      { destination: '10.50.9.0/24', target: gone.interface },
    ]);
    expect(reaches(first, second)).toBe(false);
    await two.check([one]);
    expect(reaches(first, second)).toBe(true);
    vpc.terminate(gone);
    expect(ip(vpc.router!.netns, 'route show table 100')).toContain('blackhole 10.50.9.0/24');
    // The first node by subnet removes blackholes at its checks.
    await one.check([two]);
    expect(ip(vpc.router!.netns, 'route show table 100')).not.toContain('10.50.9.0/24');
    expect(reaches(first, second)).toBe(true);
  });
});

describe('containers of three instances in VPC subnets with a table each', () => {
  endAfterEach();

  test('reach each other when each node has its route in the tables of the others', async () => {
    const vpc = await openVpc({ subnets: ['a', 'b', 'c'], tables: [['a'], ['b'], ['c']] });
    const nodes = [
      await openNode(vpc, 'a', '10.50.1.0/24'),
      await openNode(vpc, 'b', '10.50.2.0/24'),
      await openNode(vpc, 'c', '10.50.3.0/24'),
    ];
    const peersOf = (node: TestNode): TestNode[] => nodes.filter((other) => other !== node);
    const containers = nodes.map(openContainer);
    try {
      const pairs = containers.flatMap((from) =>
        containers.flatMap((to) => (from === to ? [] : [[from, to] as const])),
      );
      const reached = (): number => pairs.filter(([from, to]) => reaches(from, to)).length;
      expect(reached()).toBe(0);
      for (const node of nodes) await node.check(peersOf(node));
      for (const node of nodes) await node.check(peersOf(node));
      expect(nodes.map(({ backend, lease }) => backend.isOutOfDate(lease, []))).toEqual([
        false,
        false,
        false,
      ]);
      expect(reached()).toBe(6);

      // Checks change nothing: not a packet is lost during them.
      const pings = promisify(execFile)('ip', [
        ...['netns', 'exec', containers[0]!.netns],
        ...['ping', '-q', '-c100', '-i0.01', '-W1', containers[1]!.address],
      ]);
      for (const node of nodes) await node.check(peersOf(node));
      expect((await pings).stdout).toContain(' 0% packet loss');

      vpc.terminate(nodes[2]!.instance);
      expect(reached()).toBe(2);
    } finally {
      for (const container of containers) container[Symbol.dispose]();
    }
  });
});

describe('containers of instances whose table is full', () => {
  endAfterEach();

  /** What the agent does with the planned paths. */
  function applyPaths(self: TestNode, peers: readonly TestNode[]): void {
    const { netns } = self.instance;
    const paths = planVpcPeers({ self: self.lease, peers: peers.map(({ lease }) => lease) });
    for (const [subnet, path] of paths)
      switch (path.method) {
        case 'host-gw':
          ip(netns, `route replace ${subnet} via ${path.gateway}`);
          break;
        case 'vpc-route':
          ip(netns, `route replace ${subnet} via ${self.backend.identity.router} dev eth0`);
          break;
        case 'vxlan': {
          const tunnel = subnet.replace(/\/24$/, '');
          ip(netns, `neigh replace ${tunnel} lladdr ${path.vtepMac} dev flannel.1 nud permanent`);
          inside(
            netns,
            'bridge',
            'fdb',
            'replace',
            path.vtepMac,
            'dev',
            'flannel.1',
            'dst',
            path.nodeAddress,
          );
          ip(netns, `route replace ${subnet} via ${tunnel} dev flannel.1 onlink`);
          break;
        }
        case 'vpc-prefix':
        case 'unreachable':
          throw new Error(`${subnet} is ${path.method}`);
      }
  }

  function addTunnel(node: TestNode, number: number): void {
    const { netns, address } = node.instance;
    const mac = `02:11:22:33:44:0${number}`;
    ip(
      netns,
      `link add flannel.1 address ${mac} mtu 8951 type vxlan id 1 local ${address} dev eth0 dstport 8472 nolearning`,
    );
    ip(netns, `addr add ${node.lease.subnet.replace('/24', '/32')} dev flannel.1`);
    ip(netns, 'link set flannel.1 up');
    node.lease = { ...node.lease, vtepMac: mac };
  }

  test('reach each other in both directions, by host-gw, routes and VXLAN', async () => {
    const vpc = await openVpc({ subnets: ['a', 'b'], tables: [['a', 'b']] });
    // The VPC's own route and one of a node.
    vpc.ec2.quota = 2;
    const nodes = [
      await openNode(vpc, 'a', '10.50.1.0/24'),
      await openNode(vpc, 'a', '10.50.2.0/24'),
      await openNode(vpc, 'b', '10.50.3.0/24'),
    ];
    for (const [at, node] of nodes.entries()) addTunnel(node, at);
    const peersOf = (node: TestNode): TestNode[] => nodes.filter((other) => other !== node);
    for (const node of nodes) expect((await node.check(peersOf(node))).problems).toEqual([]);
    expect(vpc.ec2.routes(modelId('rtb', 0))).toHaveLength(2);
    const methods = nodes.map((self) =>
      [...planVpcPeers({ self: self.lease, peers: peersOf(self).map(({ lease }) => lease) }).values()].map(
        ({ method }) => method,
      ),
    );
    expect(methods).toEqual([
      ['host-gw', 'vxlan'],
      ['host-gw', 'vxlan'],
      ['vpc-route', 'vxlan'],
    ]);

    const containers = nodes.map(openContainer);
    try {
      for (const node of nodes) applyPaths(node, peersOf(node));
      const pairs = containers.flatMap((from) =>
        containers.flatMap((to) => (from === to ? [] : [[from, to] as const])),
      );
      expect(pairs.map(([from, to]) => reaches(from, to, 8_900))).toEqual(pairs.map(() => true));

      // One direction by a route and the other by VXLAN: a strict check drops it, the planned setting does not.
      const [third, strict] = [nodes[2]!.instance.netns, containers[2]!];
      for (const link of ['all', 'eth0', 'flannel/1'])
        inside(third, 'sysctl', '-qw', `net.ipv4.conf.${link}.rp_filter=1`);
      expect(reaches(strict, containers[0]!)).toBe(false);
      for (const [setting, value] of reversePathSettings(['eth0', 'flannel.1']))
        inside(third, 'sysctl', '-qw', `${setting}=${value}`);
      expect(reaches(strict, containers[0]!)).toBe(true);
    } finally {
      for (const container of containers) container[Symbol.dispose]();
    }
  });
});

describe('an instance', () => {
  endAfterEach();

  test('reaches EC2 and its metadata service from inside its namespace', async () => {
    const vpc = await openVpc({ subnets: ['a'], tables: [['a']] });
    const instance = await vpc.launch('a');
    await vpc.serveInside(instance, sh);
    const script = `
      const get = (url, options) => fetch(url, options).then((response) => response.text());
      const token = await get('${METADATA_INSIDE}/latest/api/token', { method: 'PUT', headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '60' } });
      console.log(await get('${METADATA_INSIDE}/latest/meta-data/instance-id', { headers: { 'x-aws-ec2-metadata-token': token } }));
      console.log(await get('${EC2_INSIDE}', { method: 'POST', body: 'Action=DescribeRouteTables&Version=2016-11-15' }));`;
    const node = ['netns', 'exec', instance.netns, process.execPath, '--input-type=module', '-e', script];
    const { stdout: output } = await promisify(execFile)('ip', node);
    expect(output).toContain(instance.id);
    expect(output).toContain(modelId('rtb', 0));
  });
});
