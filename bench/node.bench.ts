import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { clusterSupport } from '../test/kubernetes/cluster/index.js';
import { NodeLab, type LabNode } from '../test/service/node-lab.js';
import { until } from '../test/service/until.js';
import { changeLeases, cpuSecondsOf, inHub, putPeers, residentMiB, routesOf } from './node-peers.js';

export const title =
  'The node agent beside flanneld: 5,000 peers in one snapshot, 100 changes of leases a second, a new peer';

const PEERS = 5_000;
const ROUNDS = 3;
const JOINS = 11;
const VXLAN = { Network: '10.0.0.0/8', SubnetLen: 24, Backend: { Type: 'vxlan' } };

export async function bench(): Promise<string> {
  const support = await clusterSupport();
  if (!support.ok) return `skipped: ${support.reason}`;
  await using lab = await NodeLab.start(2, VXLAN);
  await putPeers(lab, PEERS);
  const ours: Snapshot[] = [];
  const stock: Snapshot[] = [];
  // They take turns, so that noise falls on both alike.
  for (let round = 0; round < ROUNDS; round++) {
    stock.push(await snapshot(lab.node(1), 'stock'));
    ours.push(await snapshot(lab.node(2), 'ours'));
  }
  const [one, other] = [median(ours), median(stock)];
  const churn = await measureChurn(lab);
  const { oursMs, stockMs } = await measureJoins(lab);
  return [
    `${PEERS} peers, median of ${ROUNDS} starts: barewire node ${describe(one)}; flanneld ${describe(other)}`,
    `  ratio: time ${(one.wallS / other.wallS).toFixed(2)}, CPU ${(one.cpuS / other.cpuS).toFixed(2)} (aim: 0.5)`,
    `100 changes a second at ${PEERS} peers: ${(100 * churn.cpuShare).toFixed(1)} % of a core (aim: 5), ${churn.memoryMiB.toFixed(0)} MiB (aim: 150)`,
    `a new peer, median of ${JOINS}: route in place after ${middle(oursMs)} ms, with flanneld ${middle(stockMs)} ms`,
  ].join('\n');
}

interface Snapshot {
  readonly wallS: number;
  readonly cpuS: number;
}

const describe = ({ wallS, cpuS }: Snapshot): string => `${wallS.toFixed(2)} s, ${cpuS.toFixed(2)} s of CPU`;
const middle = (numbers: readonly number[]): number =>
  numbers.toSorted((one, other) => one - other)[numbers.length >> 1] ?? NaN;
const median = (all: readonly Snapshot[]): Snapshot => {
  const of = (key: keyof Snapshot): number => middle(all.map((one) => one[key]));
  return { wallS: of('wallS'), cpuS: of('cpuS') };
};

/** From the start of the process to the last route. */
async function snapshot(node: LabNode, kind: 'ours' | 'stock'): Promise<Snapshot> {
  const started = performance.now();
  // `ip netns exec` and `setpriv` become the program.
  const child = kind === 'ours' ? node.spawnAgent().child : await node.spawnStock();
  const pid = child.pid ?? 0;
  await until('all routes are there', () => routesOf(node) >= PEERS, 120_000);
  const wallS = (performance.now() - started) / 1_000;
  const cpuS = cpuSecondsOf(pid);
  await node.end();
  await node.leave();
  execFileSync('sh', ['-c', `ip -n ${node.netns} link del flannel.1 2>/dev/null; true`]);
  return { wallS, cpuS };
}

interface Churn {
  readonly cpuShare: number;
  readonly memoryMiB: number;
}

async function measureChurn(lab: NodeLab): Promise<Churn> {
  const node = lab.node(2);
  const { child } = await node.start();
  const pid = child.pid ?? 0;
  await until('all routes are there', () => routesOf(node) >= PEERS, 60_000);
  // Warms up the JIT.
  await changeLeases(lab, 300, 0);
  const before = cpuSecondsOf(pid);
  const started = performance.now();
  await changeLeases(lab, 1_000, 1);
  const cpuShare = (cpuSecondsOf(pid) - before) / ((performance.now() - started) / 1_000);
  const memoryMiB = residentMiB(pid);
  await node.end();
  return { cpuShare, memoryMiB };
}

interface Joins {
  readonly oursMs: readonly number[];
  readonly stockMs: readonly number[];
}

/** Both follow the same peers, which join one after the other. */
async function measureJoins(lab: NodeLab): Promise<Joins> {
  const [stockNode, ourNode] = [lab.node(1), lab.node(2)];
  await Promise.all([stockNode.spawnStock(), ourNode.start()]);
  for (const node of [stockNode, ourNode])
    await until('all routes are there', () => routesOf(node) >= PEERS, 120_000);
  const [oursMs, stockMs]: [number[], number[]] = [[], []];
  for (let join = 0; join < JOINS; join++) {
    await pause(300);
    const at = PEERS + join;
    const route = `10.${64 + (at >> 8)}.${at & 255}.0/24`;
    const [ours, stock] = [watchRoute(ourNode, route), watchRoute(stockNode, route)];
    await Promise.all([ours.ready, stock.ready]);
    // The first request of a process loads its client.
    const put = `await call('/v3/kv/range', { key: leaseOf(0).key }); console.log(Date.now()); await call('/v3/kv/put', leaseOf(${at}));`;
    const sent = Number(await inHub(lab, put));
    oursMs.push((await ours.seen) - sent);
    stockMs.push((await stock.seen) - sent);
  }
  for (const node of [stockNode, ourNode]) await node.end();
  return { oursMs, stockMs };
}

/** When the kernel has a route, by its notification: asking for it again and again would take longer than it takes. */
function watchRoute(
  { netns }: LabNode,
  route: string,
): { readonly ready: Promise<void>; readonly seen: Promise<number> } {
  const monitor = spawn('ip', ['-n', netns, 'monitor', 'label', 'all'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const lines = createInterface({ input: monitor.stdout });
  const seen = new Promise<number>((resolve) => {
    lines.on('line', (line) => {
      if (!line.includes(route)) return;
      resolve(Date.now());
      monitor.kill();
    });
  });
  // It opens its socket when it starts, and prints nothing before the first notification.
  return { ready: pause(200), seen };
}
