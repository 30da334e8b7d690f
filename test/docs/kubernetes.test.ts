import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { describeCluster } from '../../src/cli/describe-cluster.js';
import { preset, resolveSpec, type StudyPlan } from '../../src/study/index.js';
import { FIRST_RATE_RPS, MOST_READINGS } from '../../src/study/estimate-maximum.js';
import { divideTime } from '../../src/study/plan-slices.js';
import type { ClusterPlan } from '../../src/testbed/index.js';
import { chooseNodes } from '../../src/testbed/kubernetes/choose-nodes.js';
import { sharePodCpus } from '../../src/testbed/kubernetes/cpu-share.js';
import { KUBERNETES } from '../../src/testbed/kubernetes/kind.js';
import { POD_NETWORKS, type PodNetwork } from '../../src/testbed/kubernetes/networks.js';
import { ANSWER_LIMIT_MS } from '../../src/testbed/kubernetes/observed-path.js';
import { API_PATIENCE_MS } from '../../src/testbed/kubernetes/open.js';
import { DEFAULT_IMAGES, kubernetesOptionsSchema } from '../../src/testbed/kubernetes/options.js';
import { DEAD_AFTER_MS } from '../../src/testbed/kubernetes/owner.js';
import { SILENCE_LIMIT_MS } from '../../src/testbed/kubernetes/pod-agent.js';
import { AGENTLESS_LIMIT_MS, ownedObjects } from '../../src/testbed/kubernetes/pod-objects.js';
import { FAULT_PATIENCE_MS, podFailed, START_LIMIT_MS } from '../../src/testbed/kubernetes/pod-status.js';
import { planPods } from '../../src/testbed/kubernetes/pods.js';
import { chooseReferences } from '../../src/testbed/kubernetes/references.js';
import { RIGHTS, type Right } from '../../src/testbed/kubernetes/rights.js';
import { nodeOf, podOf } from '../testbed/kubernetes/cluster-objects.js';
import { tableRows } from './table-rows.js';

const read = (name: string): string => readFileSync(join(import.meta.dirname, '../..', name), 'utf8');
const DOC = read('docs/kubernetes.md');
const ROWS = tableRows(DOC);
/** Without the breaks of its lines. */
const PROSE = DOC.replace(/\s+/g, ' ');

const NAMES = KUBERNETES.presetNetworks ?? [];
const NETWORKS = NAMES.flatMap((name) => POD_NETWORKS.find((network) => network.name === name) ?? []);

/** A cluster of three nodes, where other pods run. */
function planOf(networks: readonly PodNetwork[]): StudyPlan & { testbed: { cluster: ClusterPlan } } {
  const nodes = [
    nodeOf('control-1', { labels: { 'node-role.kubernetes.io/control-plane': '' } }),
    nodeOf('worker-1', { cpu: '16' }),
    nodeOf('worker-2', { cpu: '16' }),
  ];
  const { client, server, verdicts } = chooseNodes(nodes, null, false);
  const others = (web: number) => [
    ...Array.from({ length: 3 }, (_, at) => podOf(`system-${at}`, [{ cpu: '100m' }])),
    ...Array.from({ length: web }, (_, at) => ({
      ...podOf(`web-${at}`, [{ cpu: '250m' }]),
      metadata: { name: `web-${at}`, namespace: 'web' },
    })),
  ];
  const otherPods = { client: others(4), server: others(2) };
  const references = chooseReferences(networks).names;
  const placed = () => ({ client, server });
  const unshared = { client: { guaranteed: null, requested: 0 }, server: { guaranteed: null, requested: 0 } };
  const cpus = sharePodCpus(
    { client, server },
    otherPods,
    planPods('abc123', networks, references[0], placed, unshared),
  );
  const spec = resolveSpec(
    { ...preset('quick'), networks: networks.map(({ name }) => name) },
    'The preset quick',
    { testbed: 'kubernetes' },
    () => 1,
  );
  const study = { ...spec, ...divideTime(spec, spec.networks) };
  const cluster: ClusterPlan = {
    context: 'prod',
    serverVersion: 'v1.34.4',
    namespace: 'perf',
    nodes: { client, server },
    verdicts,
    otherPods,
    pools: [],
    networks,
    references,
    pods: planPods('abc123', networks, references[0], placed, cpus),
    cpus,
    needsPolicy: false,
    missingRights: [],
    objects: [],
  };
  const threads = (cpus.client.guaranteed ?? 2) - 1;
  const plan = {
    study,
    testbed: { hosts: { client: { threads } }, steps: [], cluster },
    maxima: [{ kind: 'estimated' }],
  };
  return plan as unknown as StudyPlan & { testbed: { cluster: ClusterPlan } };
}

describe('docs/kubernetes.md', () => {
  it('has the summary that a study prints', () => {
    const plan = planOf(NETWORKS);
    expect(DOC).toContain(`\n\`\`\`\n${describeCluster(plan, plan.testbed.cluster)}\n\`\`\`\n`);
    expect(PROSE).toContain(`In three minutes there are ${plan.study.restarts} restarts`);
  });

  it('lists every network in the order of the code', () => {
    const end = (kind: string, side: string) => `${kind === 'host' ? 'hostNetwork pod' : 'pod'} on ${side}`;
    const to = { pod: 'its address', service: 'a ClusterIP', nodeport: "a NodePort of the server's node" };
    const rows = POD_NETWORKS.map((network) =>
      [
        `\`${network.name}\``,
        end(network.client, "the client's node"),
        end(network.server, network.onOneNode ? 'the same node' : "the server's node"),
        to[network.to],
      ].join(' | '),
    );
    expect(ROWS.filter((row) => POD_NETWORKS.some(({ name }) => row.startsWith(`\`${name}\` |`)))).toEqual(
      rows,
    );
    expect(NAMES).toEqual(POD_NETWORKS.slice(0, NAMES.length).map(({ name }) => name));
    expect(PROSE).toContain('The first four are the default');
    expect(NAMES).toHaveLength(4);
  });

  it('lists every right and what a study lacks without it', () => {
    const keyOf = ({ resource, scope }: Right) => `${resource} ${scope}`;
    const rows = [...new Set(RIGHTS.map(keyOf))].map((key) => {
      const rights = RIGHTS.filter((right) => keyOf(right) === key);
      const [first] = rights;
      const where = first?.scope === 'cluster' ? ', of the cluster' : '';
      return `${first?.resource}${where} | ${rights.map(({ verb }) => verb).join(', ')} | ${first?.optional ?? 'the study'}`;
    });
    for (const row of rows) expect(ROWS).toContain(row);
    expect(ROWS.filter((row) => /\| (?:create|list|get)\b/.test(row))).toHaveLength(rows.length);
  });

  it.each([
    ['a fault that may pass (an image, a full node) lasts, until the study stops', FAULT_PATIENCE_MS],
    ['all pods start', START_LIMIT_MS],
    ['the first request of a network is answered', ANSWER_LIMIT_MS],
    ['an agent is silent, until it counts as lost', SILENCE_LIMIT_MS],
    ['the API server does not respond', API_PATIENCE_MS],
    ['a pod without an agent ends by itself', AGENTLESS_LIMIT_MS],
    ['a run of another machine is not renewed, until it counts as dead', DEAD_AFTER_MS],
  ])('has the limit: %s', (what, limitMs) => {
    expect(ROWS).toContain(`${what} | ${limitMs / 1_000} s`);
  });

  it('has the images, the user, the sizes and the number of pods', () => {
    const plan = planOf(NETWORKS);
    const { pods, networks } = plan.testbed.cluster;
    const owned = { run: 'abc123', uid: '', options: kubernetesOptionsSchema.parse({}) };
    const objects = ownedObjects(owned, pods, networks, 4, true) as unknown as readonly PodObject[];
    const [pod] = objects.filter(({ kind }) => kind === 'Pod');
    for (const image of Object.values(DEFAULT_IMAGES)) expect(DOC).toContain(`\`${image}\``);
    expect(PROSE).toContain(`user ${pod?.spec.securityContext.runAsUser}, not root`);
    expect(pod?.spec.volumes[0]?.emptyDir?.sizeLimit).toBe('64Mi');
    expect(pod?.spec.containers[0]?.resources.limits.memory).toBe('512Mi');
    expect(ROWS.some((row) => row.startsWith(`Pod | ${pods.length} with the default networks`))).toBe(true);
    expect(Math.max(...pods.map(({ cpus }) => cpus.guaranteed ?? 0))).toBeLessThanOrEqual(4);
  });

  it.each(['ErrImagePull', 'Unschedulable'])('has the message of a pod that failed: %s', (reason) => {
    const { message } = podFailed({ pod: '…', reason, message: '…', final: true });
    expect(ROWS.some((row) => row.includes(`\`${message}\``))).toBe(true);
  });

  it('has the first rate of an estimate', () => {
    expect(PROSE).toContain(`The first windows are at ${FIRST_RATE_RPS.toLocaleString('en-US')} requests/s`);
  });
});

test('METHODOLOGY.md has how the maximum is estimated', () => {
  const text = read('METHODOLOGY.md').replace(/\s+/g, ' ');
  expect(text).toContain(
    `from ${FIRST_RATE_RPS.toLocaleString('en-US')} requests/s on, in at most ${MOST_READINGS} windows`,
  );
});

interface PodObject {
  readonly kind: string;
  readonly spec: {
    readonly securityContext: { readonly runAsUser: number };
    readonly volumes: readonly { readonly emptyDir?: { readonly sizeLimit: string } }[];
    readonly containers: readonly { readonly resources: { readonly limits: { readonly memory: string } } }[];
  };
}
