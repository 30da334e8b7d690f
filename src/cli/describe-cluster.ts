import { stringify } from 'yaml';
import { workload } from '../server/index.js';
import type { StudyPlan } from '../study/index.js';
import { DRY_RUN, type ClusterPlan } from '../testbed/index.js';

/** The most that one thread of the generator sends: a bound for what is announced before the maximum is known. */
const MOST_RPS_PER_THREAD = 60_000;
/** Headers of request and response, and of TCP/IP. */
const HEADER_BYTES = 450;

/** What a study does on a cluster, before it is confirmed: nodes, pods, load, and who else is there. */
export function describeCluster({ study, testbed, maxima }: StudyPlan, cluster: ClusterPlan): string {
  const { nodes, verdicts, pods, otherPods, networks, missingRights } = cluster;
  const [client, server] = [nodes.client.metadata.name, nodes.server.metadata.name];
  const rejected = verdicts.filter(({ name, fault }) => fault !== null && name !== client && name !== server);
  const optional = missingRights.flatMap(({ verb, resource, optional: lost }) =>
    lost === null ? [] : [`${verb} ${resource} (${lost})`],
  );
  const burstable = pods.some(({ cpus }) => cpus.guaranteed === null);
  return [
    `Cluster:  ${cluster.context} (${cluster.serverVersion}), namespace ${cluster.namespace}`,
    `Nodes:    client ${describeNode(nodes.client)}; server ${describeNode(nodes.server)}`,
    ...(rejected.length === 0
      ? []
      : [
          `          not chosen: ${rejected.map(({ name, fault, detail }) => `${name} ${fault ?? ''}${detail === '' ? '' : ` (${detail})`}`).join(', ')}`,
        ]),
    `Pods:     ${pods.length}, ${burstable ? 'burstable: whole CPUs do not fit beside the requests of other pods' : `guaranteed: ${pods.map(({ key, cpus }) => `${key} ${cpus.guaranteed ?? 0} CPUs`).join(', ')}`}`,
    ...[
      ...new Map([
        [client, otherPods.client],
        [server, otherPods.server],
      ]),
    ].map(
      ([name, others]) =>
        `          others on ${name}: ${others === null ? 'not visible to this account' : countByNamespace(others)}`,
    ),
    `Networks: ${networks.map(({ name }) => name).join(', ')}; ${study.restarts} restarts of slices of ${study.durationMs} ms`,
    `Load:     ${describeLoad(
      study,
      testbed.hosts.client.threads ?? 1,
      maxima.some(({ kind }) => kind === 'estimated'),
    )}`,
    ...(testbed.unavailable ?? []).map(
      ({ network }) => `Without:  ${network}, which this cluster does not allow here`,
    ),
    ...(optional.length === 0 ? [] : [`Without:  ${optional.join('; ')}`]),
  ].join('\n');
}

const describeNode = ({ metadata, status }: ClusterPlan['nodes']['client']): string =>
  `${metadata.name} (${status.allocatable['cpu'] ?? '?'} CPUs, ${status.nodeInfo.architecture})`;

function countByNamespace(
  pods: readonly { readonly metadata: { readonly namespace?: string | undefined } }[],
): string {
  const counts = new Map<string, number>();
  for (const { metadata } of pods)
    counts.set(metadata.namespace ?? '', (counts.get(metadata.namespace ?? '') ?? 0) + 1);
  const parts = [...counts].map(([namespace, count]) => `${namespace} ${count}`);
  return `${pods.length} pods${parts.length === 0 ? '' : ` (${parts.join(', ')})`}`;
}

function describeLoad({ workloads, rates }: StudyPlan['study'], threads: number, spared: boolean): string {
  return workloads
    .map((name) => {
      const all = rates[name] ?? [];
      const share = Math.max(0, ...all.flatMap((rate) => (rate.kind === 'share' ? [rate.ofMax] : [])));
      const absolute = Math.max(0, ...all.flatMap((rate) => (rate.kind === 'absolute' ? [rate.rps] : [])));
      const most = Math.max(absolute, share * threads * MOST_RPS_PER_THREAD);
      const bytes = (most * (workload(name).bodyBytes + HEADER_BYTES)) / 1e6;
      const below = share > 0 && spared ? ', and less than half of CPU and link' : '';
      return `${name}: at most ${Math.round(most).toLocaleString('en-US')} requests/s, ${bytes.toFixed(1)} MB/s${below}`;
    })
    .join('; ');
}

/** The objects of a study as YAML documents. */
export const printObjects = ({ objects }: ClusterPlan): string =>
  objects
    .map((object) => `---\n${stringify(object).replaceAll(DRY_RUN, '<run>')}`)
    .join('')
    .trimEnd();
