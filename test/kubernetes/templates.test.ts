import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Comparison } from '../../src/schema/index.js';
import { readResults, ResultsDirectory } from '../../src/study/index.js';
import { barewire, endRuns, type Ended } from '../cli/barewire.js';
import { onCluster, SHORT, until } from './cluster-run.js';
import { CLUSTER_START_MS, clusterSupport, startCluster, type Cluster } from './cluster/index.js';

const support = await clusterSupport();
if (!support.ok) console.error(`Skipped: ${support.reason}`);

const TEMPLATE = {
  metadata: { annotations: { 'example.org/cni': 'second' }, labels: { tier: 'measured' } },
  spec: {
    runtimeClassName: 'second',
    nodeSelector: { pool: 'blue' },
    tolerations: [{ key: 'example.org/reserved', operator: 'Exists' }],
  },
};
const RUNTIME_CLASS = {
  apiVersion: 'node.k8s.io/v1',
  kind: 'RuntimeClass',
  metadata: { name: 'second' },
  handler: 'second',
};
const BLUE = { pool: 'blue' };

describe.skipIf(!support.ok)('two CNIs and two pairs of nodes in one study', () => {
  let folder: string;
  let cluster: Cluster;
  let objects: readonly string[];
  let pods: PodList['items'];
  let ended: Ended;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'barewire-templates-'));
    const proxyMode = 'none';
    cluster = await startCluster({
      podNetwork: 'vxlan',
      proxyMode,
      secondCni: true,
      nodeLabels: [BLUE, BLUE],
    });
    await cluster.kubectl(['create', '-f', '-'], { input: JSON.stringify(RUNTIME_CLASS) });
    objects = await cluster.listObjects();
    const networks = [
      'host',
      'pod',
      { name: 'pod-ptp', pod: TEMPLATE },
      { name: 'pod-back', nodes: ['node2', 'node1'], address: 'eth0' },
    ];
    const run = startStudy(cluster, networks, join(folder, 'vxlan'), ['--nodes', 'node1,node2']);
    await until(
      'the pods run',
      async () => {
        const { stdout } = await cluster.kubectl(['get', 'pods', '--output', 'json']);
        pods = (JSON.parse(stdout) as PodList).items;
        return pods.length > 0 && pods.every(({ status }) => status.phase === 'Running');
      },
      60_000,
    );
    ended = await run.ended;
  }, CLUSTER_START_MS);

  afterAll(async () => {
    await endRuns();
    await cluster[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  const podOf = (key: string) => {
    const found = pods.find(({ metadata }) => metadata.name.endsWith(key));
    if (found === undefined)
      throw new Error(`no pod ${key} in ${pods.map(({ metadata }) => metadata.name).join()}`);
    return found;
  };
  const readRun = (name = 'vxlan') => readResults(new ResultsDirectory(join(folder, name)));

  test('its pods have the template, and what Barewire needs', () => {
    for (const [key, node] of [
      ['client-pod-ptp', 'node1'],
      ['server-pod-ptp', 'node2'],
    ] as const) {
      const { metadata, spec } = podOf(key);
      expect(metadata.annotations).toMatchObject(TEMPLATE.metadata.annotations);
      expect(metadata.labels).toMatchObject({ tier: 'measured', 'barewire.pod': key });
      expect(metadata.ownerReferences).toHaveLength(1);
      expect(spec).toMatchObject({
        runtimeClassName: 'second',
        nodeSelector: BLUE,
        nodeName: node,
        securityContext: { runAsNonRoot: true },
      });
      expect(spec.tolerations).toContainEqual(TEMPLATE.spec.tolerations[0]);
    }
    expect(podOf('client-pod').spec).not.toHaveProperty('runtimeClassName');
  });

  test('measures each network, on its own nodes against the host network there', async () => {
    expect(ended.stderr).toContain('pod-back, pod-back-host: client node2');
    const { study, slices } = await readRun();
    expect(slices.filter(({ record }) => record.status === 'failed')).toEqual([]);
    expect([...new Set(slices.map(({ record }) => record.network))].toSorted()).toEqual([
      'host',
      'pod',
      'pod-back',
      'pod-back-host',
      'pod-ptp',
    ]);
    expect(podOf('client-pod-back').spec.nodeName).toBe('node2');
    expect(study.spec).toMatchObject({
      reference: 'host',
      references: { 'pod-back': 'pod-back-host', 'pod-back-host': 'pod-back-host' },
    });
    expect(Object.keys(study.environment)).toEqual([
      'client',
      'server',
      'client of pod-back',
      'server of pod-back',
    ]);
  });

  test('proves by device counters that the pods of the template use the other CNI', async () => {
    const { slices } = await readRun();
    const pathOf = (network: string) =>
      slices.flatMap(({ record }) =>
        record.network === network && record.status === 'measured' ? (record.setup?.path ?? []) : [],
      )[0];
    expect(pathOf('pod')?.client).toEqual([
      'eth0',
      expect.stringMatching(/^veth/),
      'cni0',
      'flannel.1',
      'eth0',
    ]);
    expect(pathOf('pod-ptp')?.client).toEqual(['eth0', expect.stringMatching(/^veth/), 'flannel.1', 'eth0']);
    expect(pathOf('pod-back')?.server).toContain('cni0');
    expect(pathOf('pod-back-host')?.server).toEqual(['eth0']);
  });

  test('records the templates, and says what each network is', async () => {
    const { study } = await readRun();
    expect(study.spec.testbed.options).toMatchObject({
      templates: { 'pod-ptp': { like: 'pod', pod: TEMPLATE }, 'pod-back-host': { like: 'host' } },
    });
    const what = (name: string) => study.networks.find((network) => network.name === name)?.what;
    expect(what('pod-ptp')).toContain('like pod, annotation example.org/cni=second');
    expect(what('pod-back')).toBe('like pod, address of eth0, on node2 and node1');
  });

  test('leaves nothing', async () => {
    expect(await cluster.listObjects()).toEqual(objects);
  });

  test('says before anything is created which template the cluster refuses', async () => {
    const refusals = [
      [
        { spec: { runtimeClassName: 'third' } },
        /pods of the network pod-x: .* RuntimeClass "third" not found/,
      ],
      [
        { spec: { nodeSelector: { pool: 'green' } } },
        /nodeSelector of the network pod-x does not match .*pool=green/,
      ],
      [{ spec: { hostNetwork: true } }, /networks\.1\.pod\.spec\.hostNetwork cannot be set/],
    ] as const;
    for (const [pod, message] of refusals) {
      const run = startStudy(cluster, ['host', { name: 'pod-x', pod }], join(folder, 'refused'));
      expect((await run.ended).stderr).toMatch(message);
    }
    expect(await cluster.listObjects()).toEqual(objects);
  });

  test(
    'after a switch of the CNI, compare lists what differs, with host as the bridge',
    async () => {
      await using switched = await startCluster({ podNetwork: 'host-gw', proxyMode: 'iptables' });
      const template = { metadata: { labels: { tier: 'other' } } };
      const networks = ['host', 'pod', { name: 'pod-ptp', pod: template }];
      await startStudy(switched, networks, join(folder, 'host-gw'), ['--nodes', 'node1,node2']).ended;
      const { stdout } = await barewire([
        'compare',
        '--json',
        join(folder, 'vxlan'),
        join(folder, 'host-gw'),
      ]);
      const comparison = JSON.parse(stdout) as Comparison;
      for (const host of ['client', 'server']) {
        expect(comparison.environment).toContainEqual({
          host,
          name: 'cni',
          a: 'flannel vxlan',
          b: 'flannel host-gw',
        });
        expect(comparison.environment).toContainEqual({
          host,
          name: 'serviceProxy',
          a: 'a service proxy that this account cannot see',
          b: 'kube-proxy in iptables mode',
        });
      }
      expect(comparison.spec).toContainEqual({
        host: null,
        name: 'testbed.templates.pod-ptp.pod.metadata.labels.tier',
        a: 'measured',
        b: 'other',
      });
      expect(comparison.spec).toContainEqual({
        host: null,
        name: 'testbed.templates.pod-ptp.pod.spec.runtimeClassName',
        a: 'second',
        b: null,
      });
      expect(comparison.cells.map(({ network }) => network)).toEqual(['host', 'pod', 'pod-ptp']);
    },
    CLUSTER_START_MS,
  );
});

interface PodList {
  readonly items: readonly {
    readonly metadata: {
      readonly name: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly annotations?: Readonly<Record<string, string>>;
      readonly ownerReferences: readonly unknown[];
    };
    readonly spec: { readonly nodeName?: string; readonly tolerations: readonly unknown[] };
    readonly status: { readonly phase: string };
  }[];
}

/** Starts a study of these networks by a spec file. */
function startStudy(
  cluster: Cluster,
  networks: readonly unknown[],
  out: string,
  args: readonly string[] = [],
) {
  const spec = `${out}.json`;
  writeFileSync(spec, JSON.stringify({ testbed: 'kubernetes', networks }));
  return onCluster(cluster, ['study', spec, ...SHORT, '--yes', '--out', out, ...args]);
}
