import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { parseRange, printAddress } from '../../../src/service/aws/cidr.js';
import { barewire, endRuns, Run } from '../../cli/barewire.js';
import { assertNothingLeft, snapshotMachine, type MachineSnapshot } from '../../leaks.js';
import { ETCD_START_MS, findEtcd } from '../etcd-programs.js';
import { Etcd } from '../etcd-server.js';
import { until } from '../until.js';
import { inside, ip, sh } from './container.js';
import { EC2_INSIDE, METADATA_INSIDE, modelId, VpcModel, type ModelInstance } from './vpc-model.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: ETCD_START_MS });

const ENVIRONMENT = [
  'env',
  'AWS_ACCESS_KEY_ID=AKIATEST',
  'AWS_SECRET_ACCESS_KEY=secret',
  `AWS_ENDPOINT_URL=${EC2_INSIDE}`,
  `AWS_EC2_METADATA_SERVICE_ENDPOINT=${METADATA_INSIDE}`,
];

const [programs] = await findEtcd();
let before: MachineSnapshot;
let folder: string;
beforeAll(async () => {
  before = await snapshotMachine();
  folder = mkdtempSync(join(tmpdir(), 'barewire-vpc-'));
});
afterEach(endRuns);
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await assertNothingLeft(before);
});

/** Routes of the VPC's table beside its own. */
const routesOf = (vpc: VpcModel): string[] =>
  vpc.ec2
    .routes(modelId('rtb', 0))
    .map(({ destination }) => destination)
    .filter((destination) => destination.startsWith('10.50.'));

/** The first address of a subnet that a container could have. */
const firstOf = (subnet: string): string => printAddress(parseRange(subnet).first + 1);

/** Agents in the namespaces of instances, and what passes between them. */
function agentsOf(vpc: VpcModel, etcd: Etcd) {
  const options = ({ netns }: ModelInstance, ...names: string[]): string[] => [
    ...['--etcd-endpoints', etcd.endpoints.join(), '--state', join(folder, netns)],
    ...['--socket', join(folder, `${netns}.sock`)],
    ...(names.length === 0
      ? []
      : ['--subnet-file', join(folder, `${netns}.env`), '--cni', join(folder, `${netns}-cni`)]),
  ];
  const prefix = ({ netns }: ModelInstance): string[] => ['ip', 'netns', 'exec', netns, ...ENVIRONMENT];
  const start = async (instance: ModelInstance): Promise<string> => {
    await vpc.serveInside(instance, (...argv: string[]) => sh(...argv));
    const run = new Run(['node', ...options(instance, 'run')], prefix(instance));
    const [, subnet = ''] = await run.untilSaid(/"kind":"ready","subnet":"([^"]+)"/);
    // As a container would have.
    ip(instance.netns, `addr add ${firstOf(subnet)}/32 dev lo`);
    return subnet;
  };
  const reaches = (from: ModelInstance, source: string, to: string): boolean => {
    try {
      inside(from.netns, 'ping', '-c1', '-W0.4', '-I', firstOf(source), firstOf(to));
      return true;
    } catch {
      return false;
    }
  };
  return { options, prefix, start, reaches };
}

test.skipIf(programs === undefined)(
  'agents on instances of two VPC subnets route for each other, fall back to VXLAN, and leave',
  async () => {
    if (programs === undefined) return;
    await using vpc = await VpcModel.open({ subnets: ['a', 'b'], tables: [['a', 'b']] });
    const router = vpc.router?.netns ?? '';
    await using etcd = await Etcd.start({ programs, place: { netns: router, address: '172.31.0.1' } });
    const config = { Network: '10.50.0.0/16', Backend: { Type: 'aws-vpc', RouteReserve: 0 } };
    await etcd.ctl('put', '/coreos.com/network/config', JSON.stringify(config));
    const instances = [await vpc.launch('a'), await vpc.launch('b'), await vpc.launch('b')];
    const { options, prefix, start, reaches } = agentsOf(vpc, etcd);
    const [one, two, three] = instances as [ModelInstance, ModelInstance, ModelInstance];
    const [ofOne, ofTwo] = [await start(one), await start(two)];
    await until(
      'both have a route in the VPC',
      () => routesOf(vpc).sort().join() === [ofOne, ofTwo].sort().join(),
    );
    await until('traffic passes', () => reaches(one, ofOne, ofTwo) && reaches(two, ofTwo, ofOne));
    await until('by the VPC alone', () => ip(one.netns, 'route').includes(`${ofTwo} via 172.31.0.1 dev `));

    // The table is full: the third is reached by VXLAN from the other VPC subnet, and directly in its own.
    vpc.ec2.quota = 3;
    const ofThree = await start(three);
    await until(
      'the third is reached',
      () => reaches(one, ofOne, ofThree) && reaches(two, ofTwo, ofThree),
      30_000,
    );
    expect(routesOf(vpc).sort()).toEqual([ofOne, ofTwo].sort());
    expect(ip(one.netns, 'route')).toContain(`${ofThree} via ${ofThree.replace('/24', '')} dev flannel.1`);
    expect(ip(two.netns, 'route')).toContain(`${ofThree} via ${three.address} dev `);

    // When a node leaves, its route goes, and the waiting one takes its place.
    const left = await barewire(['node', 'leave', ...options(two)], prefix(two));
    expect([left.status, left.stdout], left.stderr).toEqual([
      0,
      expect.stringContaining('the lease deleted'),
    ]);
    await until(
      'the third has the place',
      () => routesOf(vpc).sort().join() === [ofOne, ofThree].sort().join(),
      30_000,
    );
    await until(
      'and is reached by the VPC',
      () => ip(one.netns, 'route').includes(`${ofThree} via 172.31.0.1 dev `),
      30_000,
    );
    for (const instance of [one, three]) {
      const { status, stderr } = await barewire(['node', 'leave', ...options(instance)], prefix(instance));
      expect(status, stderr).toBe(0);
    }
    expect(routesOf(vpc)).toEqual([]);
  },
);

test.skipIf(programs === undefined)(
  'agents lease the prefixes that AWS delegates, reach each other without routes or VXLAN, and return them',
  async () => {
    if (programs === undefined) return;
    await using vpc = await VpcModel.open({ subnets: ['a', 'b'], tables: [['a', 'b']] });
    const router = vpc.router?.netns ?? '';
    await using etcd = await Etcd.start({ programs, place: { netns: router, address: '172.31.0.1' } });
    const config = { Network: '172.31.0.0/16', SubnetLen: 28, Backend: { Type: 'aws-vpc' } };
    await etcd.ctl('put', '/coreos.com/network/config', JSON.stringify(config));
    const [one, two] = [await vpc.launch('a'), await vpc.launch('b')];
    const { options, prefix, start, reaches } = agentsOf(vpc, etcd);
    const prefixesOf = ({ interface: id }: ModelInstance): readonly string[] =>
      vpc.ec2.state.interfaces.find((each) => each.id === id)?.prefixes ?? [];
    // The only block that is free in b, which a node had that is gone: its lease is still there.
    const stale = '172.31.20.16';
    vpc.ec2.setState({
      ...vpc.ec2.state,
      subnets: vpc.ec2.state.subnets.map((subnet) => ({
        ...subnet,
        reservations: subnet.range === '172.31.16.0/20' ? [`${stale}/28`] : [],
      })),
    });
    await etcd.ctl('put', `/coreos.com/network/subnets/${stale}-28`, '{"PublicIP":"172.31.16.99"}');

    const [ofOne, ofTwo] = [await start(one), await start(two)];
    expect([prefixesOf(one), prefixesOf(two)]).toEqual([[ofOne], [ofTwo]]);
    expect(ofTwo).toBe(`${stale}/28`);
    await until('traffic passes', () => reaches(one, ofOne, ofTwo) && reaches(two, ofTwo, ofOne));
    expect(ip(one.netns, 'route')).toContain(`${ofTwo} via 172.31.0.1 dev eth0`);
    expect(ip(two.netns, 'route')).toContain(`${ofOne} via 172.31.16.1 dev eth0`);
    expect(ip(one.netns, 'link')).not.toContain('flannel');
    expect(vpc.ec2.count('CreateRoute') + vpc.ec2.count('DescribeRouteTables')).toBe(0);
    expect(vpc.ec2.state.interfaces.every(({ sourceDestCheck }) => sourceDestCheck)).toBe(true);
    expect(await etcd.ctl('get', `/coreos.com/network/subnets/${stale}-28`)).toContain(
      `"PublicIP":"${two.address}"`,
    );

    for (const instance of [one, two]) {
      const { status, stderr } = await barewire(['node', 'leave', ...options(instance)], prefix(instance));
      expect(status, stderr).toBe(0);
      expect(prefixesOf(instance)).toEqual([]);
    }
  },
);
