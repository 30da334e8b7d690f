import { readdirSync } from 'node:fs';
import { clusterSupport } from '../test/kubernetes/cluster/index.js';
import { NodeLab } from '../test/service/node-lab.js';
import { until } from '../test/service/until.js';
import { changeLeases, cpuSecondsOf, putPeers, residentMiB, routesOf } from './node-peers.js';
import { judgeTrend } from './trend.js';

const PEERS = 5_000;
const CHANGES_PER_S = 100;
const VXLAN = { Network: '10.0.0.0/8', SubnetLen: 24, Backend: { Type: 'vxlan' } };

/** Changes over the run beyond which it is not steady. */
const LIMITS = { memoryMiB: 10, descriptors: 2, cpuShare: 0.01 };

interface Row {
  readonly memoryMiB: number;
  readonly descriptors: number;
  readonly cpuShare: number;
  readonly repairedObjects: number;
}

/** A node agent with peers whose leases change. */
export async function soakNode(seconds: number, readingS: number): Promise<string> {
  const support = await clusterSupport();
  if (!support.ok) return `node agent: skipped: ${support.reason}`;
  await using lab = await NodeLab.start(1, VXLAN);
  const node = lab.node(1);
  await putPeers(lab, PEERS);
  const { child } = await node.start();
  const pid = child.pid ?? 0;
  await until('all routes are there', () => routesOf(node) >= PEERS, 60_000);
  const rows: Row[] = [];
  const ended = performance.now() + seconds * 1_000;
  for (let generation = 1; performance.now() < ended; generation++) {
    const [startedMs, cpuS] = [performance.now(), cpuSecondsOf(pid)];
    await changeLeases(lab, readingS * CHANGES_PER_S, generation & 3, PEERS);
    const { repairedObjects } = await node.status();
    rows.push({
      memoryMiB: residentMiB(pid),
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      cpuShare: (cpuSecondsOf(pid) - cpuS) / ((performance.now() - startedMs) / 1_000),
      repairedObjects: Number(repairedObjects),
    });
  }
  const routes = routesOf(node);
  await node.end();
  // The first reading has what a process makes once.
  const settled = rows.slice(1);
  const line = (cells: readonly string[]): string => cells.map((cell) => cell.padStart(14)).join('');
  const trend = (what: string, key: keyof typeof LIMITS, unit: string, digits: number): string =>
    judgeTrend(
      what,
      settled.map((row) => row[key]),
      LIMITS[key],
      (change) => `${change.toFixed(digits)}${unit}`,
      'up',
    );
  return [
    `A node agent with ${PEERS} peers by vxlan, ${CHANGES_PER_S} changes of leases a second:`,
    line(['RSS, MiB', 'descriptors', 'CPU, core', 'repaired']),
    ...rows.map((row) =>
      line([
        row.memoryMiB.toFixed(1),
        String(row.descriptors),
        row.cpuShare.toFixed(3),
        String(row.repairedObjects),
      ]),
    ),
    `routes of peers at the end: ${routes} of ${PEERS}`,
    trend('memory', 'memoryMiB', ' MiB', 1),
    trend('open files', 'descriptors', '', 0),
    trend('CPU', 'cpuShare', ' of a core', 3),
  ].join('\n');
}
