import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { endRuns } from '../cli/barewire.js';
import { assertNothingLeft, snapshotMachine, type MachineSnapshot } from '../leaks.js';
import { NodeLab, PREFIX, type LabNode } from '../service/node-lab.js';
import { until } from '../service/until.js';
import { add, addressOf, call, CONFIG, type AddResult } from './call-plugin.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 240_000 });

const sh = (line: string): string => execFileSync('sh', ['-c', line], { encoding: 'utf8' });
const reaches = (netns: string, address: string): boolean => {
  try {
    sh(`ip netns exec ${netns} ping -q -c 1 -W 1 ${address}`);
    return true;
  } catch {
    return false;
  }
};
const hostLinks = (node: LabNode): string[] =>
  node
    .sh('ip -o link')
    .split('\n')
    .flatMap((line) => /^\d+: (bw[0-9a-f]{12})/.exec(line)?.[1] ?? []);

let lab: NodeLab;
let before: MachineSnapshot;
let containers: string[] = [];
/** A namespace, as a runtime makes it. */
const makeContainer = (name: string): string => {
  const netns = `${lab.name}-${name}`;
  sh(`ip netns add ${netns}`);
  containers.push(netns);
  return netns;
};

beforeAll(async () => {
  before = await snapshotMachine();
  lab = await NodeLab.start(2, {});
});
beforeEach(() => lab.configure({ Network: '10.50.0.0/16', Backend: { Type: 'host-gw' } }));
afterEach(async () => {
  for (const name of containers) sh(`ip netns del ${name}`);
  containers = [];
  for (const node of lab.nodes) {
    await node.end();
    const { status, stderr } = await node.leave();
    expect(status, stderr).toBe(0);
    expect(node.sh('ip -o link').trim().split('\n')).toHaveLength(2);
  }
  await lab.etcd.ctl('del', '--prefix', `${PREFIX}/`);
  await endRuns();
});
afterAll(async () => {
  await lab[Symbol.asyncDispose]();
  await assertNothingLeft(before);
});

async function startNode(node: LabNode, attachment = 'bridge'): Promise<void> {
  await node.start('--attachment', attachment);
  const folders = [
    '--bin-dir',
    join(node.folder, 'bin'),
    '--conf-dir',
    join(node.folder, 'net.d'),
    '--cni',
    node.cni,
  ];
  const { status, stderr } = await node.barewire('node', 'install', ...folders);
  expect(status, stderr).toBe(0);
}

describe.each(['bridge', 'ptp', 'macvlan'])('containers by %s', (attachment) => {
  test('reach each other on one node and across, their own host, and leave nothing', async () => {
    const [one, two] = [lab.node(1), lab.node(2)];
    await Promise.all([startNode(one, attachment), startNode(two, attachment)]);
    const [a, b, c] = [makeContainer('a'), makeContainer('b'), makeContainer('c')];
    const [ofA, ofB, ofC] = [await add(one, a), await add(one, b), await add(two, c)];
    for (const [netns, result] of [
      [a, ofB],
      [b, ofA],
      [a, ofC],
      [c, ofB],
    ] as const)
      await until(`${netns} reaches ${addressOf(result)}`, () => reaches(netns, addressOf(result)), 4_000);
    await until('the host reaches its container', () => one.reaches(addressOf(ofA)), 4_000);
    await until('the container reaches its host', () => reaches(a, one.address), 4_000);
    // A repair compares the whole state, and keeps what the containers need.
    const toOther = two.subnet();
    one.sh(`ip route del ${toOther}`);
    await until('the route is back', () => one.routes().some((line) => line.startsWith(toOther)), 4_000);
    expect(await one.reaches(addressOf(ofA))).toBe(true);
    if (attachment === 'ptp') {
      one.sh(`ip route del ${addressOf(ofA)}`);
      await until('the route to the container is back', () => one.reaches(addressOf(ofA)), 4_000);
    }
    const [inside] = ofA.interfaces.filter(({ sandbox }) => sandbox === `/run/netns/${a}`);
    expect(sh(`ip -n ${a} link show eth0`)).toContain(inside?.mac);
    expect(await call(one, 'CHECK', a)).toEqual({ status: 0, stdout: '' });
    for (const [node, netns] of [
      [one, a],
      [one, b],
      [two, c],
    ] as const) {
      expect(await call(node, 'DEL', netns)).toEqual({ status: 0, stdout: '' });
      expect(await call(node, 'DEL', netns)).toEqual({ status: 0, stdout: '' });
      expect(sh(`ip -n ${netns} -o link`).trim().split('\n')).toHaveLength(1);
    }
    expect(hostLinks(one)).toEqual([]);
  });
});

test('containers by macvlan have the MTU of the tunnel to other nodes', async () => {
  await lab.configure({ Network: '10.50.0.0/16', Backend: { Type: 'vxlan' } });
  const [one, two] = [lab.node(1), lab.node(2)];
  await Promise.all([startNode(one, 'macvlan'), startNode(two, 'macvlan')]);
  const [a, b] = [makeContainer('a'), makeContainer('b')];
  await add(one, a);
  const ofB = await add(two, b);
  expect(sh(`ip -n ${a} link show eth0`)).toContain('mtu 1450');
  await until('the other answers', () => reaches(a, addressOf(ofB)), 4_000);
});

test('a hundred ADDs at once get different addresses, and all work', async () => {
  const node = lab.node(1);
  await startNode(node);
  const names = Array.from({ length: 100 }, (_, at) => makeContainer(`m${at}`));
  const results = await Promise.all(names.map((name) => add(node, name)));
  expect(new Set(results.map(addressOf)).size).toBe(100);
  expect(hostLinks(node)).toHaveLength(100);
  await until('the last answers', () => node.reaches(addressOf(results[99]!)), 4_000);
  await Promise.all(names.map((name) => call(node, 'DEL', name)));
  expect(hostLinks(node)).toEqual([]);
});

test('each version of the specification gets its own form, and what is wrong its code', async () => {
  const node = lab.node(1);
  await startNode(node);
  const netns = makeContainer('v');
  for (const cniVersion of ['0.3.1', '0.4.0', '1.0.0', '1.1.0']) {
    const result = (await add(node, netns, { config: { ...CONFIG, cniVersion } })) as AddResult & {
      cniVersion: string;
      ips: { version?: string }[];
    };
    expect(result.cniVersion).toBe(cniVersion);
    expect(result.ips[0]?.version).toBe(cniVersion.startsWith('0.') ? '4' : undefined);
    await call(node, 'DEL', netns);
  }
  const code = async (...args: Parameters<typeof call>): Promise<unknown> => {
    const { status, stdout } = await call(...args);
    return [status, (JSON.parse(stdout) as { code: number }).code];
  };
  expect(await code(node, 'ADD', netns, { config: { ...CONFIG, cniVersion: '9.9.9' } })).toEqual([1, 1]);
  expect(await code(node, 'ADD', netns, { env: { CNI_IFNAME: '' } })).toEqual([1, 4]);
  expect(await code(node, 'ADD', netns, { env: { CNI_CONTAINERID: '../x' } })).toEqual([1, 4]);
  expect(await code(node, 'ADD', netns, { env: { CNI_NETNS: '/run/netns/none' } })).toEqual([1, 3]);
  expect(await code(node, 'ADD', netns, { config: { type: 'barewire' } })).toEqual([1, 7]);
  expect(await code(node, 'ADD', netns, { env: { CNI_ARGS: 'IP=10.99.9.9' } })).toEqual([1, 7]);
  await add(node, netns, {
    env: { CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=x;IP=' + node.subnet().replace('.0/24', '.77') },
  });
  expect(sh(`ip -n ${netns} addr show eth0`)).toContain('.77/24');
  expect(await code(node, 'ADD', netns)).toEqual([1, 100]);
  // The interface of another plugin stays, also when the runtime cleans up after the failed ADD.
  const other = makeContainer('o');
  sh(`ip -n ${other} link add eth0 type veth peer name far`);
  expect(await code(node, 'ADD', other)).toEqual([1, 100]);
  expect(await call(node, 'DEL', other)).toEqual({ status: 0, stdout: '' });
  expect(sh(`ip -n ${other} -o link`)).toContain('eth0');
  sh(`ip -n ${netns} route del default`);
  expect(await code(node, 'CHECK', netns)).toEqual([1, 103]);
});

test('without its agent the plugin fails with code 11, STATUS with 50, and VERSION works', async () => {
  const node = lab.node(1);
  await startNode(node);
  const netns = makeContainer('d');
  const status11 = { ...CONFIG, cniVersion: '1.1.0' };
  expect(await call(node, 'STATUS', netns, { config: status11 })).toEqual({ status: 0, stdout: '' });
  await node.stop('SIGKILL');
  for (const [command, code] of [
    ['ADD', 11],
    ['DEL', 11],
    ['STATUS', 50],
  ] as const) {
    const { status, stdout } = await call(node, command, netns, { config: status11 });
    expect([status, (JSON.parse(stdout) as { code: number }).code]).toEqual([1, code]);
  }
  expect((await call(node, 'VERSION', netns)).stdout).toContain('"1.1.0"');
});

test('an agent that is killed among ADDs loses no address: after its restart DEL, GC and gone namespaces free all', async () => {
  const node = lab.node(1);
  await startNode(node);
  const names = Array.from({ length: 24 }, (_, at) => makeContainer(`k${at}`));
  const adding = names.map((name) => call(node, 'ADD', name));
  await until('some are attached', () => hostLinks(node).length > 3);
  await node.stop('SIGKILL');
  const failed = (await Promise.all(adding)).filter(({ status }) => status !== 0);
  expect(failed.every(({ stdout }) => stdout.includes('"code":11'))).toBe(true);
  await startNode(node);
  const [kept = '', ...rest] = names;
  // The runtime sends DEL for what failed, forgets some, and lists one as valid.
  for (const name of rest.slice(0, 8)) expect((await call(node, 'DEL', name)).status).toBe(0);
  await call(node, 'DEL', kept);
  await add(node, kept);
  for (const name of rest.slice(8, 12)) sh(`ip netns del ${name}`);
  containers = containers.filter((name) => !rest.slice(8, 12).includes(name));
  const config = {
    ...CONFIG,
    cniVersion: '1.1.0',
    'cni.dev/valid-attachments': [{ containerID: kept, ifname: 'eth0' }],
  };
  expect(await call(node, 'GC', '', { config, env: { CNI_NETNS: '', CNI_IFNAME: '' } })).toEqual({
    status: 0,
    stdout: '',
  });
  expect(hostLinks(node)).toHaveLength(1);
  const file = JSON.parse(readFileSync(join(node.folder, 'state/attachments.json'), 'utf8')) as {
    list: { containerId: string }[];
  };
  expect(file.list.map(({ containerId }) => containerId)).toEqual([kept]);
});

test('a plugin that is killed while it waits blocks no other', async () => {
  const node = lab.node(1);
  await startNode(node);
  // All slots, claimed long ago by scripts that were killed.
  sh(`for fifo in ${node.cni}/reply.*; do touch -d '1 hour ago' ${node.cni}/request.\${fifo##*.}; done`);
  await until(
    'they are free again',
    async () => (await call(node, 'STATUS', '', { config: { ...CONFIG, cniVersion: '1.1.0' } })).status === 0,
    40_000,
  );
  for (let round = 0; round < 10; round++) {
    const child = spawn(join(node.folder, 'bin/barewire'), {
      env: { CNI_COMMAND: 'ADD' },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    // It has claimed a slot and waits for its input.
    await until('the slot is claimed', () => sh(`ls ${node.cni}`).includes('request.'));
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    const netns = makeContainer(`w${round}`);
    await add(node, netns);
  }
});
