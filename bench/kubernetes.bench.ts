import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StudyRecord, Summary } from '../src/schema/index.js';
import { clusterSupport, startCluster, type Cluster } from '../test/kubernetes/cluster/index.js';

export const title =
  "Kubernetes: flannel's backends on two clusters, by their ratios to their own host network; how long a study takes to its first slice";

/** The clusters take turns, so that noise falls on both alike. */
const RUNS = 3;
const TIME = '60s';
const BACKENDS = ['host-gw', 'vxlan'] as const;

interface StudyRun {
  readonly summary: Summary;
  readonly toFirstSliceS: number;
}

export async function bench(): Promise<string> {
  const support = await clusterSupport();
  if (!support.ok) return `skipped: ${support.reason}`;
  await using hostGw = await startCluster({ podNetwork: 'host-gw', proxyMode: 'nftables' });
  await using vxlan = await startCluster({ podNetwork: 'vxlan', proxyMode: 'nftables' });
  const clusters = { 'host-gw': hostGw, vxlan };
  const runs: Record<(typeof BACKENDS)[number], StudyRun[]> = { 'host-gw': [], vxlan: [] };
  for (let run = 0; run < RUNS; run++)
    for (const backend of BACKENDS) runs[backend].push(await study(clusters[backend]));
  return BACKENDS.flatMap((backend) => [
    `${backend}:`,
    ...runs[backend].map(({ summary, toFirstSliceS }) => describe(summary, toFirstSliceS)),
  ]).join('\n');
}

async function study({ kubeconfig, kubectlDir }: Cluster): Promise<StudyRun> {
  const folder = await mkdtemp(join(tmpdir(), 'barewire-bench-'));
  try {
    const out = join(folder, 'results');
    const args = ['study', '--testbed', 'kubernetes', '--yes', '--json', '--time', TIME, '--out', out];
    const env = {
      ...process.env,
      KUBECONFIG: kubeconfig,
      PATH: `${kubectlDir}:${process.env['PATH'] ?? ''}`,
    };
    const startedMs = Date.now();
    const stdout = await new Promise<string>((resolve, reject) => {
      execFile('bin/barewire', args, { env, maxBuffer: 2 ** 28 }, (error, output, stderr) => {
        // Status 1: some slices were invalid, which the figures show.
        if (error !== null && error.code !== 1) reject(new Error(stderr));
        else resolve(output);
      });
    });
    const [first = '{}'] = (await readFile(join(out, 'slices.jsonl'), 'utf8')).split('\n');
    const { startedAt } = JSON.parse(first) as Pick<StudyRecord, 'startedAt'>;
    return {
      summary: JSON.parse(stdout) as Summary,
      toFirstSliceS: (Date.parse(startedAt) - startedMs) / 1_000,
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

function describe(summary: Summary, toFirstSliceS: number): string {
  const cells = summary.networks.flatMap((network) => network.cells);
  const invalid = cells.reduce((sum, { invalidSlices }) => sum + invalidSlices, 0);
  const ratios = summary.networks
    .filter(({ name }) => name !== summary.reference)
    .map(
      ({ name, cells: own }) =>
        `${name} p50 ${own.map(({ ratioToReference }) => three(ratioToReference.p50?.value)).join(' ')}`,
    );
  return (
    `  first slice after ${toFirstSliceS.toFixed(1)} s (aim: 15), ${(100 * summary.measuringShare).toFixed(0)} % of ` +
    `${summary.wallS.toFixed(0)} s measuring, ${summary.slices} slices, ${invalid} invalid, ` +
    `A/A p50 ${three(summary.control.aa.p50?.value)}; ${ratios.join('; ')}`
  );
}

const three = (value: number | null | undefined): string => (value == null ? '–' : value.toFixed(2));
