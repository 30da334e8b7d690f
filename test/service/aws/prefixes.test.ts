import { describe, expect, test } from 'vitest';
import { isInside, parseRange, printAddress } from '../../../src/service/aws/cidr.js';
import { endAfterEach, openNode, openVpc, type TestNode } from './opened.js';
import { freeBlocks, isReservedByAws } from './prefix-model.js';
import { modelId, type VpcModel } from './vpc-model.js';

const NETWORK = '172.31.0.0/16';
const SUBNET = '172.31.0.0/20';
const RANGE = { min: '172.31.0.16', max: '172.31.255.240' };
const ONE_SUBNET = { subnets: ['a'], tables: [['a']], isApiOnly: true };
const openDelegating = (vpc: VpcModel): Promise<TestNode> =>
  openNode(vpc, 'a', '172.31.8.16/28', { network: NETWORK });
const prefixesOf = (vpc: VpcModel, at: number): readonly string[] =>
  vpc.ec2.state.interfaces[at]?.prefixes ?? [];

/** Gives addresses of the subnet to other instances. */
function occupy(vpc: VpcModel, addresses: readonly number[]): void {
  const { state } = vpc.ec2;
  const others = addresses.map((address, at) => ({
    id: modelId('eni', 1_000 + at),
    instance: modelId('i', 1_000 + at),
    subnet: modelId('subnet', 0),
    address: printAddress(address),
    mac: '02:00:00:00:00:00',
    sourceDestCheck: true,
    prefixes: [],
  }));
  vpc.ec2.setState({ ...state, interfaces: [...state.interfaces, ...others] });
}

describe('a node whose subnet is a prefix', () => {
  endAfterEach();

  test('gets one that AWS chooses, and keeps it at each start', async () => {
    const vpc = await openVpc(ONE_SUBNET);
    const node = await openDelegating(vpc);
    const prefix = await node.backend.delegate(RANGE, null);
    expect(prefixesOf(vpc, 0)).toEqual([prefix]);
    expect(isInside(parseRange(prefix ?? ''), parseRange(SUBNET))).toBe(true);
    expect(await node.backend.delegate(RANGE, null)).toBe(prefix);
    expect(vpc.ec2.count('AssignPrivateIpAddresses')).toBe(1);
  });

  test('keeps its last one of several', async () => {
    const vpc = await openVpc(ONE_SUBNET);
    const node = await openDelegating(vpc);
    const prefixes = ['172.31.1.0/28', '172.31.2.0/28'];
    vpc.ec2.setInterface(node.instance.interface, { prefixes });
    expect(await node.backend.delegate(RANGE, '172.31.2.0/28')).toBe('172.31.2.0/28');
    expect(await node.backend.delegate(RANGE, '172.31.9.0/28')).toBe('172.31.1.0/28');
  });

  test('gets no block that an address or a prefix of others is in', async () => {
    const vpc = await openVpc(ONE_SUBNET);
    const nodes = [await openDelegating(vpc), await openDelegating(vpc)] as const;
    const { first } = parseRange(SUBNET);
    // All blocks but two have an address of another instance.
    occupy(
      vpc,
      Array.from({ length: 256 }, (_, block) => first + 16 * block + 9).filter(
        (_, block) => block !== 7 && block !== 200,
      ),
    );
    const got = [await nodes[0].backend.delegate(RANGE, null), await nodes[1].backend.delegate(RANGE, null)];
    expect(got.toSorted()).toEqual(['172.31.0.112/28', '172.31.12.128/28']);
  });

  test('gets a block of a range that is reserved for prefixes', async () => {
    const vpc = await openVpc(ONE_SUBNET);
    const { state } = vpc.ec2;
    const reservations = ['172.31.15.0/28'];
    vpc.ec2.setState({ ...state, subnets: state.subnets.map((each) => ({ ...each, reservations })) });
    const node = await openDelegating(vpc);
    expect(await node.backend.delegate(RANGE, null)).toBe('172.31.15.0/28');
  });

  test('reports a fragmented subnet when addresses are free and no block is', async () => {
    const vpc = await openVpc(ONE_SUBNET);
    const node = await openDelegating(vpc);
    const { first } = parseRange(SUBNET);
    occupy(
      vpc,
      Array.from({ length: 256 }, (_, block) => first + 16 * block + 9),
    );
    await expect(node.backend.delegate(RANGE, null)).rejects.toMatchObject({
      code: 'no-free-subnet',
      message: expect.stringContaining('is fragmented') as string,
      hint: expect.stringContaining('create-subnet-cidr-reservation') as string,
    });
  });

  test('reports a full subnet', async () => {
    const vpc = await openVpc(ONE_SUBNET);
    const node = await openDelegating(vpc);
    const { first, last } = parseRange(SUBNET);
    const all = Array.from({ length: last - first + 1 }, (_, at) => first + at);
    const own = parseRange(`${node.instance.address}/32`).first;
    occupy(
      vpc,
      all.filter((address) => address !== own && !isReservedByAws(SUBNET, address)),
    );
    await expect(node.backend.delegate(RANGE, null)).rejects.toThrow('fewer than 16 free addresses');
  });

  test('reports that the interface has all prefixes that its instance type allows', async () => {
    const vpc = await openVpc(ONE_SUBNET);
    const node = await openDelegating(vpc);
    vpc.ec2.perInterface = 1;
    await expect(node.backend.delegate(RANGE, null)).rejects.toThrow('its instance type allows');
  });

  test('fails without the permission to list prefixes, and assigns none', async () => {
    const vpc = await openVpc(ONE_SUBNET);
    const node = await openDelegating(vpc);
    vpc.ec2.denied.add('DescribeNetworkInterfaces');
    await expect(node.backend.delegate(RANGE, null)).rejects.toMatchObject({
      hint: expect.stringContaining('ec2:DescribeNetworkInterfaces') as string,
    });
    expect(vpc.ec2.count('AssignPrivateIpAddresses')).toBe(0);
  });

  test('returns a prefix that SubnetMin excludes', async () => {
    const vpc = await openVpc(ONE_SUBNET);
    const node = await openDelegating(vpc);
    const range = { min: '172.31.128.0', max: '172.31.255.240' };
    await expect(node.backend.delegate(range, null)).rejects.toMatchObject({
      hint: expect.stringContaining('Omit SubnetMin') as string,
    });
    expect(prefixesOf(vpc, 0)).toEqual([]);
  });

  test('is assigned its prefix again when it was removed, and reports a problem when another interface has it', async () => {
    const vpc = await openVpc(ONE_SUBNET);
    const [node, other] = [await openDelegating(vpc), await openDelegating(vpc)];
    const subnet = (await node.backend.delegate(RANGE, null)) ?? '';
    node.lease = { ...node.lease, subnet };
    expect(await node.check()).toMatchObject({ changes: [], placement: { prefix: true } });
    vpc.ec2.setInterface(node.instance.interface, { prefixes: [] });
    expect(await node.check()).toMatchObject({ changes: [{ change: 'assign-prefix' }], problems: [] });
    vpc.ec2.setInterface(node.instance.interface, { prefixes: [] });
    vpc.ec2.setInterface(other.instance.interface, { prefixes: [subnet] });
    const { placement, problems } = await node.check();
    expect([placement, problems.length]).toEqual([null, 1]);
  });

  test('keeps what it published while EC2 throttles', async () => {
    const vpc = await openVpc(ONE_SUBNET);
    const node = await openDelegating(vpc);
    const subnet = (await node.backend.delegate(RANGE, null)) ?? '';
    node.lease = { ...node.lease, subnet };
    await node.check();
    vpc.ec2.denied.add('AssignPrivateIpAddresses');
    vpc.ec2.throttle('DescribeNetworkInterfaces', 5);
    const { placement, problems } = await node.check();
    expect(placement).toMatchObject({ prefix: true });
    expect(problems[0]?.message).toContain('throttled');
  }, 30_000);
});

test('the first and the last block of a VPC subnet are reserved by AWS', () => {
  const blocks = freeBlocks(
    { range: SUBNET, reservations: [] },
    { addresses: new Set(), prefixes: new Set() },
  );
  expect([blocks.length, blocks[0], blocks.at(-1)]).toEqual([254, '172.31.0.16/28', '172.31.15.224/28']);
});
