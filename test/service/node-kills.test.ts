import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { killing, killPoints, listing, type KillPoint } from './kill-points.js';
import { PREFIX, type LabNode, type NodeLab } from './node-lab.js';
import { pings } from './pings.js';
import { until } from './until.js';
import { TWO_SUBNETS, useNodeLab } from './use-node-lab.js';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 });

let lab: NodeLab;
useNodeLab({ nodes: 2, config: TWO_SUBNETS }, (started) => (lab = started));

/** What a node has in the kernel, without the index and the drawn MAC of its tunnel. */
function kernelOf(node: LabNode): string {
  const text = node.sh(
    `sh -c 'ip route; ip neigh show nud permanent; bridge fdb show dev flannel.1; ip -d -o link show type vxlan; ip -o -4 addr show; nft list ruleset; true' 2>/dev/null`,
  );
  const mac = /link\/ether (\S+)/.exec(text)?.[1] ?? 'none';
  return text.replaceAll(mac, 'MAC').replaceAll(/^\d+: /gm, '');
}

/** Files that a killed writer would leave. */
const unfinished = (node: LabNode): string[] =>
  [node.folder, join(node.folder, 'state')].flatMap((folder) =>
    existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.new')) : [],
  );

const listFile = (node: LabNode): string => join(node.folder, 'calls');

/** Lists the system calls of a start. */
async function pointsOfStart(node: LabNode): Promise<KillPoint[]> {
  const agent = node.spawnAgentUnder(listing(listFile(node)));
  await agent.untilSaid(/"kind":"ready"/);
  agent.signalGroup('SIGKILL');
  await agent.ended;
  return killPoints(listFile(node));
}

/** Starts an agent that is killed at a point. False when it got to its end: threads may wake each other less often than in the listing. */
async function startAndKill(node: LabNode, point: KillPoint): Promise<boolean> {
  const agent = node.spawnAgentUnder(killing(point));
  const survived = await Promise.race([
    agent.ended.then(() => false),
    agent.untilSaid(/"kind":"ready"/).then(
      () => true,
      () => false,
    ),
  ]);
  if (survived) agent.signalGroup('SIGKILL');
  await agent.ended;
  return !survived;
}

/** Removes all of a node but its network namespace. */
async function wipe(node: LabNode): Promise<void> {
  const subnet = existsSync(node.subnetFile) ? node.subnet() : null;
  node.sh(
    `sh -c 'ip link del flannel.1; nft flush ruleset; sysctl -qw net.ipv4.ip_forward=0; true' 2>/dev/null`,
  );
  rmSync(join(node.folder, 'state'), { recursive: true, force: true });
  rmSync(node.subnetFile, { force: true });
  if (subnet !== null) await lab.etcd.ctl('del', `${PREFIX}/subnets/${subnet.replace('/', '-')}`);
}

/** The even or the odd ones: each run of the tests takes half of the steps. */
const everySecond = (points: readonly KillPoint[]): readonly KillPoint[] => {
  const first = Math.random() < 0.5 ? 0 : 1;
  return points.filter((_, at) => at % 2 === first);
};

const forwards = (node: LabNode): string => node.sh('sysctl -n net.ipv4.ip_forward').trim();

test('a first start that is killed at any step is completed by the next', async () => {
  const [one, two] = [lab.node(1), lab.node(2)];
  await two.start();
  await one.start();
  const whole = kernelOf(one);
  const subnet = one.subnet();
  const restart = async (): Promise<void> => {
    await one.stop('SIGKILL');
    await wipe(one);
  };
  await restart();
  const points = await pointsOfStart(one);
  expect(points.map(({ what }) => what)).toEqual(
    expect.arrayContaining(['/v3/lease/grant', '/v3/kv/txn', 'setting', 'netlink 16', 'netlink 20', 'rules']),
  );
  let killed = 0;
  const tried = everySecond(points);
  for (const point of tried) {
    await restart();
    if (await startAndKill(one, point)) killed++;
    await one.start();
    const context = JSON.stringify(point);
    expect(kernelOf(one), context).toBe(whole);
    expect([one.subnet(), forwards(one), unfinished(one)], context).toEqual([subnet, '1', []]);
    expect([...(await lab.leases()).keys()].toSorted(), context).toEqual(['10.50.1.0/24', '10.50.2.0/24']);
  }
  expect(killed).toBeGreaterThan(0.8 * tried.length);
});

test('a restart that is killed at any step loses no packets, and the next repairs the changed objects', async () => {
  const [one, two] = [lab.node(1), lab.node(2)];
  await Promise.all([one.start(), two.start()]);
  const [from, to] = [one.addAddress(), two.addAddress()];
  await until('traffic passes', () => one.reaches(to, from));
  const whole = kernelOf(one);
  const drift = async (): Promise<void> => {
    await one.stop('SIGKILL');
    one.sh('ip route add 10.50.250.0/24 via 10.50.250.0 dev flannel.1 onlink proto 66');
    one.sh('ip neigh add 10.50.250.0 lladdr 02:00:00:00:00:99 dev flannel.1 nud permanent');
    one.sh('bridge fdb add 02:00:00:00:00:99 dev flannel.1 dst 10.99.0.99');
    one.sh('nft delete table ip barewire-node');
    rmSync(one.subnetFile);
  };
  const lost = pings(one.netns, to, from);
  await drift();
  const points = await pointsOfStart(one);
  await one.start();
  let killed = 0;
  const tried = everySecond(points);
  for (const point of tried) {
    await drift();
    if (await startAndKill(one, point)) killed++;
    await one.start();
    expect(kernelOf(one), JSON.stringify(point)).toBe(whole);
    expect(unfinished(one), JSON.stringify(point)).toEqual([]);
  }
  expect(killed).toBeGreaterThan(0.8 * tried.length);
  expect(await lost()).toBe(0);
});

test('a leave that is killed at any step is completed by the next', async () => {
  const [one, two] = [lab.node(1), lab.node(2)];
  await two.start();
  const empty = kernelOf(one);
  await one.start();
  await one.stop('SIGKILL');
  await one.leaveUnder(listing(listFile(one)));
  const points = killPoints(listFile(one));
  expect(points.map(({ what }) => what)).toEqual(
    expect.arrayContaining(['/v3/kv/txn', 'netlink 17', 'unlink node.json']),
  );
  expect(kernelOf(one)).toBe(empty);
  let killed = 0;
  const tried = everySecond(points);
  for (const point of tried) {
    await one.start();
    await one.stop('SIGKILL');
    if ((await one.leaveUnder(killing(point))).status !== 0) killed++;
    expect((await one.leave()).status).toBe(0);
    const context = JSON.stringify(point);
    expect(kernelOf(one), context).toBe(empty);
    expect([one.subnetFile, one.cni, join(one.folder, 'socket')].filter(existsSync), context).toEqual([]);
    expect([readdirSync(join(one.folder, 'state')), unfinished(one)], context).toEqual([[], []]);
    expect((await lab.leases()).size, context).toBe(1);
    expect(readFileSync(two.subnetFile, 'utf8')).toContain('FLANNEL_SUBNET');
  }
  expect(killed).toBeGreaterThan(0.8 * tried.length);
});
