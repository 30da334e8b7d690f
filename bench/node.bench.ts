import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { clusterSupport } from '../test/kubernetes/cluster/index.js';
import { NodeLab, PREFIX, type LabNode } from '../test/service/node-lab.js';
import { until } from '../test/service/until.js';

const run = promisify(execFile);

export const title =
  'The node agent beside flanneld: 5,000 peers in one snapshot, 100 changes of leases a second, a new peer';

const PEERS = 5_000;
const ROUNDS = 3;
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
  return [
    `${PEERS} peers, median of ${ROUNDS} starts: barewire node ${describe(one)}; flanneld ${describe(other)}`,
    `  ratio: time ${(one.wallS / other.wallS).toFixed(2)}, CPU ${(one.cpuS / other.cpuS).toFixed(2)} (aim: 0.5)`,
    `100 changes a second at ${PEERS} peers: ${(100 * churn.cpuShare).toFixed(1)} % of a core (aim: 5), ${churn.memoryMiB.toFixed(0)} MiB (aim: 150)`,
    `a new peer: route in place after ${churn.joinMs.map((ms) => ms.toFixed(0)).join(', ')} ms (stock: 10)`,
  ].join('\n');
}

interface Snapshot {
  readonly wallS: number;
  readonly cpuS: number;
}

const describe = ({ wallS, cpuS }: Snapshot): string => `${wallS.toFixed(2)} s, ${cpuS.toFixed(2)} s of CPU`;
const median = (all: readonly Snapshot[]): Snapshot => {
  const of = (key: keyof Snapshot): number =>
    all.map((one) => one[key]).sort((a, b) => a - b)[all.length >> 1] ?? NaN;
  return { wallS: of('wallS'), cpuS: of('cpuS') };
};

/** Functions for programs in the namespace of etcd: a lease of a peer that does not exist, and a request. */
const IN_HUB = `
const base64 = (text) => Buffer.from(text).toString('base64');
const hex = (byte) => byte.toString(16).padStart(2, '0');
const leaseOf = (at, revision = 0) => ({
  key: base64('${PREFIX}/subnets/10.' + (64 + (at >> 8)) + '.' + (at & 255) + '.0-24'),
  value: base64(JSON.stringify({
    PublicIP: '10.99.' + (1 + (at >> 8)) + '.' + (at & 255),
    PublicIPv6: null,
    BackendType: 'vxlan',
    BackendData: { VNI: 1, VtepMAC: ['02', '00', '00', hex(revision), hex(at >> 8), hex(at & 255)].join(':') },
  })),
});
const call = async (path, body) => {
  const answer = await fetch(process.argv[1] + path, { method: 'POST', body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(await answer.text());
};
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
`;

async function inHub(lab: NodeLab, program: string): Promise<string> {
  const argv = ['netns', 'exec', lab.hub, process.execPath, '--input-type=module', '-e', IN_HUB + program];
  const { stdout } = await run('ip', [...argv, lab.etcd.endpoints[0] ?? '']);
  return stdout;
}

const putPeers = (lab: NodeLab, count: number): Promise<string> =>
  inHub(
    lab,
    `for (let first = 0; first < ${count}; first += 100)
       await call('/v3/kv/txn', { success: Array.from({ length: 100 }, (_, at) => ({ request_put: leaseOf(first + at) })) });`,
  );

const routesOf = (node: LabNode): number =>
  Number(
    execFileSync('sh', ['-c', `ip -n ${node.netns} route | grep -c flannel || true`], { encoding: 'utf8' }),
  );

/** One lookup: listing thousands of routes would take longer than what is measured. */
const leadsThroughTunnel = ({ netns }: LabNode, address: string): boolean =>
  execFileSync('ip', ['-n', netns, 'route', 'get', address], { encoding: 'utf8' }).includes('flannel');

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

const TICKS = 100;
function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

interface Churn {
  readonly cpuShare: number;
  readonly memoryMiB: number;
  readonly joinMs: readonly number[];
}

async function measureChurn(lab: NodeLab): Promise<Churn> {
  const node = lab.node(2);
  const { child } = await node.start();
  const pid = child.pid ?? 0;
  await until('all routes are there', () => routesOf(node) >= PEERS, 60_000);
  await pause(1_000);
  const before = cpuSecondsOf(pid);
  const started = performance.now();
  await inHub(
    lab,
    `const started = performance.now();
     for (let at = 0; at < 1_000; at++) {
       await call('/v3/kv/put', leaseOf(at, 1 + (at & 63)));
       const aheadMs = started + 10 * (at + 1) - performance.now();
       if (aheadMs > 0) await pause(aheadMs);
     }`,
  );
  const cpuShare = (cpuSecondsOf(pid) - before) / ((performance.now() - started) / 1_000);
  const rss = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  const joinMs: number[] = [];
  for (let join = 0; join < 5; join++) {
    await pause(300);
    const at = PEERS + join;
    const inside = `10.${64 + (at >> 8)}.${at & 255}.1`;
    const putting = inHub(lab, `console.log(Date.now()); await call('/v3/kv/put', leaseOf(${at}));`);
    while (!leadsThroughTunnel(node, inside)) await pause(1);
    const seen = Date.now();
    joinMs.push(seen - Number(await putting));
  }
  await node.end();
  return { cpuShare, memoryMiB: Number(rss) / 1_024, joinMs };
}
