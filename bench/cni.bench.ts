import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { buildFlannelPlugin, buildPlugins } from '../test/cni/plugins/build.js';
import { NodeLab, type LabNode } from '../test/service/node-lab.js';

export const title =
  "The node agent's CNI plugin beside the plugins of flannel and of the CNI project: ADD, DEL, and a hundred ADDs at once";

const PAIRS = 60;
const AT_ONCE = 100;

/** A plugin and the host on which it runs alone. */
interface Candidate {
  readonly name: string;
  readonly node: LabNode;
  readonly plugin: string;
  readonly config: object;
}

export async function bench(): Promise<string> {
  const [plugins, flannel] = [await buildPlugins(), await buildFlannelPlugin()];
  if (plugins === null || flannel === null) return 'skipped: the other plugins need Go';
  await using lab = await NodeLab.start(4, { Network: '10.50.0.0/16', Backend: { Type: 'host-gw' } });
  const [bridge, ptp, stock, other] = [lab.node(1), lab.node(2), lab.node(3), lab.node(4)];
  await Promise.all([bridge.start(), ptp.start('--attachment', 'ptp'), stock.startStock()]);
  try {
    for (const node of [bridge, ptp]) await install(node);
    const path = `${flannel}:${plugins}`;
    const ours = (node: LabNode, name: string): Candidate => ({
      name,
      node,
      plugin: join(node.folder, 'bin/barewire'),
      config: { cniVersion: '1.0.0', name: 'barewire', type: 'barewire' },
    });
    const lines: string[] = [];
    for (const [one, reference] of [
      [ours(bridge, 'barewire by bridge'), flannelOn(stock, flannel)],
      [ours(ptp, 'barewire by ptp'), ptpOn(other, plugins)],
    ] as const) {
      lines.push(...(await compare(lab, one, reference, path)));
      lines.push(await attachAtOnce(lab, one, path), await attachAtOnce(lab, reference, path));
    }
    return lines.join('\n');
  } finally {
    for (const node of lab.nodes) {
      await node.end();
      await node.leave();
    }
  }
}

async function install(node: LabNode): Promise<void> {
  const folders = ['--bin-dir', join(node.folder, 'bin'), '--conf-dir', join(node.folder, 'net.d')];
  const { status, stderr } = await node.barewire('node', 'install', ...folders, '--cni', node.cni);
  if (status !== 0) throw new Error(stderr);
}

const flannelOn = (node: LabNode, folder: string): Candidate => ({
  name: 'flannel, bridge and host-local',
  node,
  plugin: join(folder, 'flannel'),
  config: {
    cniVersion: '0.4.0',
    name: 'flannel',
    type: 'flannel',
    subnetFile: node.subnetFile,
    dataDir: join(node.folder, 'flannel'),
    ipam: { type: 'host-local', dataDir: join(node.folder, 'networks') },
    delegate: { hairpinMode: true, isDefaultGateway: true },
  },
});

const ptpOn = (node: LabNode, folder: string): Candidate => ({
  name: 'ptp and host-local',
  node,
  plugin: join(folder, 'ptp'),
  config: {
    cniVersion: '1.0.0',
    name: 'ptp',
    type: 'ptp',
    ipam: {
      type: 'host-local',
      dataDir: join(node.folder, 'networks'),
      ranges: [[{ subnet: '10.60.0.0/24' }]],
      routes: [{ dst: '0.0.0.0/0' }],
    },
  },
});

/** Executes a plugin as a runtime of its host does; returns how long it took. */
async function call(
  { node, plugin, config }: Candidate,
  command: 'ADD' | 'DEL',
  container: string,
  path: string,
): Promise<number> {
  const started = performance.now();
  const child = spawn('nsenter', [`--net=/run/netns/${node.netns}`, plugin], {
    env: {
      PATH: process.env['PATH'],
      CNI_COMMAND: command,
      CNI_CONTAINERID: container,
      CNI_NETNS: `/run/netns/${container}`,
      CNI_IFNAME: 'eth0',
      CNI_PATH: path,
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (text: Buffer) => (output += text.toString()));
  child.stdin.end(JSON.stringify(config));
  await once(child, 'close');
  if (child.exitCode !== 0) throw new Error(`${command} by ${plugin} failed: ${output}`);
  return performance.now() - started;
}

/** They take turns, and the first changes, so that noise falls on both alike. */
async function compare(
  lab: NodeLab,
  one: Candidate,
  other: Candidate,
  path: string,
): Promise<readonly string[]> {
  const times = { ADD: [] as [number, number][], DEL: [] as [number, number][] };
  for (let pair = 0; pair < PAIRS; pair++) {
    const taken = { ADD: [0, 0] as [number, number], DEL: [0, 0] as [number, number] };
    const order = pair % 2 === 0 ? [0, 1] : [1, 0];
    const names = order.map((at) => `${lab.name}-b${at}`);
    for (const name of names) execFileSync('ip', ['netns', 'add', name]);
    for (const command of ['ADD', 'DEL'] as const)
      for (const at of order)
        taken[command][at] = await call(at === 0 ? one : other, command, `${lab.name}-b${at}`, path);
    for (const name of names) execFileSync('ip', ['netns', 'del', name]);
    // The first shows the kernel and the caches of files.
    if (pair === 0) continue;
    times.ADD.push(taken.ADD);
    times.DEL.push(taken.DEL);
  }
  return (['ADD', 'DEL'] as const).map((command) => {
    const pairs = times[command];
    const [ours, theirs] = [median(pairs.map(([ms]) => ms)), median(pairs.map(([, ms]) => ms))];
    const [low, high] = medianInterval(pairs.map(([ms, reference]) => ms / reference));
    return (
      `${command}: ${one.name} ${ours.toFixed(1)} ms, ${other.name} ${theirs.toFixed(1)} ms; ` +
      `ratio ${median(pairs.map(([ms, reference]) => ms / reference)).toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)}; aim: 1)`
    );
  });
}

const ascending = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
const median = (values: readonly number[]): number => ascending(values)[values.length >> 1] ?? NaN;

/** The order statistics that cover the median at 95 %: by the normal approximation of the binomial distribution. */
function medianInterval(values: readonly number[]): [number, number] {
  const sorted = ascending(values);
  const distance = (1.96 * Math.sqrt(sorted.length)) / 2;
  const low = Math.max(0, Math.floor(sorted.length / 2 - distance));
  const high = Math.min(sorted.length - 1, Math.ceil(sorted.length / 2 + distance));
  return [sorted[low] ?? NaN, sorted[high] ?? NaN];
}

async function attachAtOnce(lab: NodeLab, candidate: Candidate, path: string): Promise<string> {
  const names = Array.from({ length: AT_ONCE }, (_, at) => `${lab.name}-c${at}`);
  for (const name of names) execFileSync('ip', ['netns', 'add', name]);
  const phase = async (command: 'ADD' | 'DEL'): Promise<string> => {
    const started = performance.now();
    const all = await Promise.allSettled(names.map((name) => call(candidate, command, name, path)));
    const failed = all.filter(({ status }) => status === 'rejected').length;
    return `${AT_ONCE} ${command}s at once ${((performance.now() - started) / 1_000).toFixed(2)} s, ${failed} failed`;
  };
  const [adds, dels] = [await phase('ADD'), await phase('DEL')];
  for (const name of names) execFileSync('ip', ['netns', 'del', name]);
  return `${candidate.name}: ${adds}; ${dels}`;
}
