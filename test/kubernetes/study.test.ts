import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { endRuns } from '../cli/barewire.js';
import { onCluster, runStudyOn, SHORT, until, type StudyRun } from './cluster-run.js';
import { CLUSTER_START_MS, clusterSupport, startCluster, type Cluster } from './cluster/index.js';

const support = await clusterSupport();
if (!support.ok) console.error(`Skipped: ${support.reason}`);

describe.skipIf(!support.ok)('a study on two nodes of a cluster', () => {
  let cluster: Cluster;
  let objects: readonly string[];

  beforeAll(async () => {
    cluster = await startCluster({
      podNetwork: 'vxlan',
      proxyMode: 'nftables',
      nodeNames: ['worker-a', 'worker-b'],
      images: { 'registry.example/node:1': 'node', 'registry.example/nginx:1': 'nginx' },
    });
    await kubectl(['create', 'namespace', 'strict']);
    await kubectl(['label', 'namespace', 'strict', 'pod-security.kubernetes.io/enforce=restricted']);
    await kubectl(['create', 'namespace', 'tight']);
    await kubectl(['create', 'quota', 'few', '--hard=pods=3', '--namespace', 'tight']);
    await until('service accounts exist', async () => {
      const { code } = await cluster.kubectl(['get', 'serviceaccount', 'default', '--namespace', 'tight']);
      return code === 0;
    });
    objects = await cluster.listObjects();
  }, CLUSTER_START_MS);

  afterEach(async () => {
    await endRuns();
    expect(await cluster.listObjects()).toEqual(objects);
  });

  afterAll(() => cluster[Symbol.asyncDispose]());

  const kubectl = async (args: readonly string[], input?: string): Promise<string> => {
    const { code, stdout, stderr } = await cluster.kubectl(args, input === undefined ? {} : { input });
    expect(code, stderr).toBe(0);
    return stdout;
  };

  describe('with every network', () => {
    let run: StudyRun;
    const names = ['host', 'pod', 'service', 'nodeport', 'host-local', 'pod-local', 'service-local'];

    beforeAll(async () => {
      run = await runStudyOn(cluster, [...SHORT, '--networks', names.join()], async (started) => {
        await started.untilSaid(/Restart 1 of 1/);
        const listed = await kubectl(['get', 'pods', '--output', 'json']);
        for (const { spec } of (JSON.parse(listed) as { items: { spec: PodSpec }[] }).items) {
          expect(spec.securityContext.runAsNonRoot).toBe(true);
          expect(spec.containers.every(({ securityContext }) => !('privileged' in securityContext))).toBe(
            true,
          );
        }
      });
    }, 120_000);

    test('measures each of them', () => {
      expect(run.summary?.networks.map(({ name, status }) => [name, status])).toEqual(
        names.map((name) => [name, 'measured']),
      );
      expect(run.slices.filter(({ status }) => status === 'failed')).toEqual([]);
      expect(run.summary?.reference).toBe('host');
    });

    test('proves by device counters that pods of two nodes use the VXLAN device, and hosts do not', () => {
      const pathOf = (network: string) =>
        run.slices.find((slice) => slice.network === network && slice.status === 'measured' && slice.setup)
          ?.setup?.path;
      for (const role of ['client', 'server'] as const) {
        expect(pathOf('pod')?.[role]).toContain('flannel.1');
        expect(pathOf('service')?.[role]).toContain('flannel.1');
        expect(pathOf('host')?.[role]).toEqual(['eth0']);
        expect(pathOf('pod-local')?.[role]).not.toContain('flannel.1');
        expect(pathOf('host-local')?.[role]).toEqual(['lo']);
      }
    });

    test('names the CNI, its mode, the service proxy and the node of the NodePort', () => {
      const what = (name: string) => run.study?.networks.find((network) => network.name === name)?.what;
      expect(what('pod')).toContain('flannel vxlan');
      expect(what('service')).toContain('kube-proxy in nftables mode');
      expect(what('nodeport')).toMatch(/worker-[ab], externalTrafficPolicy Cluster/);
    });

    test('tells the address translation of a NodePort from the pod network', () => {
      const source = (name: string) =>
        run.summary?.networks.find((network) => network.name === name)?.setup?.sourceAddress;
      expect(source('pod')).toBe('own');
      expect(source('nodeport')).not.toBe('own');
    });

    test('compares networks on one node with the hosts of one node', () => {
      expect(run.study?.spec.references).toEqual({
        'host-local': 'host-local',
        'pod-local': 'host-local',
        'service-local': 'host-local',
      });
    });

    test('records the nodes that it chose, and what pods cannot do', () => {
      const options = run.study?.spec.testbed.options as { readonly nodes: readonly string[] };
      expect(options.nodes.toSorted()).toEqual(['worker-a', 'worker-b']);
      expect(run.study?.limitations).toContainEqual({ code: 'limitation', limitation: 'no-priority' });
      expect(run.study?.environment['client']).toMatchObject({ cni: 'flannel vxlan' });
    });
  });

  test('goes on with the pod network as the reference where hostNetwork is not allowed', async () => {
    const { study, summary, ended } = await runStudyOn(cluster, [...SHORT, '--namespace', 'strict']);
    expect(ended.stderr).toContain('host namespaces (hostNetwork=true)');
    expect(study?.spec.reference).toBe('pod');
    expect(study?.limitations).toContainEqual({ code: 'limitation', limitation: 'pod-reference' });
    expect(summary?.networks.find(({ name }) => name === 'host')?.status).toBe('unsupported');
    expect(summary?.networks.find(({ name }) => name === 'service')?.status).toBe('measured');
  }, 120_000);

  test('takes images by other names, and estimates the maximum', async () => {
    const images = ['--image-node', 'registry.example/node:1', '--image-nginx', 'registry.example/nginx:1'];
    const { summary, study } = await runStudyOn(cluster, [
      ...SHORT,
      ...['--networks', 'pod', '--rates', '10%'],
      ...images,
    ]);
    expect(summary?.networks[0]?.status).toBe('measured');
    expect(study?.limitations).toContainEqual({ code: 'limitation', limitation: 'maximum-estimated' });
    expect(study?.referenceMaxRps['350B']).toBeGreaterThan(100);
  }, 120_000);

  test('says before anything is created what the cluster refuses', async () => {
    const refusals: readonly (readonly [readonly string[], RegExp])[] = [
      [['--namespace', 'tight'], /quota few .* leaves 3 of pods; the study needs 6/],
      [['--namespace', 'nowhere'], /namespaces "nowhere" not found/],
      [['--nodes', 'worker-a,worker-c'], /worker-c, but the cluster has no such node/],
      [['--nodes', 'worker-a,worker-a'], /names worker-a twice/],
    ];
    for (const [args, message] of refusals) {
      const { ended, study } = await runStudyOn(cluster, [...SHORT, '--networks', 'host,pod', ...args]);
      expect(ended.stderr).toMatch(message);
      expect([2, 3]).toContain(ended.status);
      expect(study).toBeNull();
    }
  }, 60_000);

  test('runs with the printed roles, and names each right that is missing', async () => {
    const account = await accountWith(cluster, kubectl);
    try {
      const { summary } = await runStudyOn(account.as, [...SHORT, '--networks', 'host,pod']);
      expect(summary?.networks.map(({ status }) => status)).toEqual(['measured', 'measured']);
      for (const [resource, verb] of [
        ['pods', 'create'],
        ['pods/exec', 'get'],
        ['configmaps', 'delete'],
      ] as const) {
        await account.without(resource, verb);
        const { ended } = await runStudyOn(account.as, [...SHORT, '--networks', 'host,pod']);
        expect(ended.status).toBe(3);
        expect(ended.stderr).toContain(`lacks rights in the namespace default: ${verb} ${resource}`);
        expect(ended.stderr).toContain('barewire kubernetes rbac');
      }
    } finally {
      await account.remove();
    }
  }, 180_000);

  test('runs without the rights to read nodes when these are named', async () => {
    const account = await accountWith(cluster, kubectl);
    try {
      await kubectl(['delete', 'clusterrolebinding', 'barewire-default']);
      const refused = await runStudyOn(account.as, [...SHORT, '--networks', 'host,pod']);
      expect(refused.ended.stderr).toContain('Name two of one architecture by --nodes A,B');
      const named = ['--nodes', 'worker-b,worker-a'];
      const { summary, ended } = await runStudyOn(account.as, [...SHORT, '--networks', 'host,pod', ...named]);
      expect(
        summary?.networks.map(({ status }) => status),
        ended.stderr,
      ).toEqual(['measured', 'measured']);
    } finally {
      await account.remove();
    }
  }, 120_000);

  test('undo deletes what a killed study left, and nothing of a running one', async () => {
    const list = async () => (await cluster.listObjects()).filter((name) => !objects.includes(name));
    const running = onCluster(cluster, [...STUDY, '--out', '/tmp/barewire-none']);
    await running.untilSaid(/Nodes:/);
    await until('its pods exist', async () => (await list()).length > 3);
    const undo = () => onCluster(cluster, ['undo', '--testbed', 'kubernetes', '--json']).ended;
    expect(JSON.parse((await undo()).stdout)).toEqual([]);
    running.signalGroup('SIGKILL');
    await running.ended;
    expect(JSON.parse((await undo()).stdout)).toHaveLength(1);
    expect(await list()).toEqual([]);
  }, 60_000);

  test('the next study deletes what a killed one left', async () => {
    const killed = onCluster(cluster, [...STUDY, '--out', '/tmp/barewire-none']);
    await until('its owner exists', async () => (await kubectl(['get', 'configmaps'])).includes('barewire-'));
    killed.signalGroup('SIGKILL');
    await killed.ended;
    const { summary } = await runStudyOn(cluster, [...SHORT, '--networks', 'pod']);
    expect(summary?.networks[0]?.status).toBe('measured');
  }, 90_000);

  test('Ctrl-C deletes the pods and exits with 130', async () => {
    const { ended } = await runStudyOn(cluster, ['--time', '60s'], async (run) => {
      await run.untilSaid(/Restart 1 of/);
      run.signalGroup('SIGINT');
    });
    expect(ended.status).toBe(130);
  }, 90_000);
});

const STUDY = ['study', '--testbed', 'kubernetes', '--yes', '--time', '60s'] as const;

interface PodSpec {
  readonly securityContext: { readonly runAsNonRoot: boolean };
  readonly containers: readonly { readonly securityContext: object }[];
}

/** A service account with the roles that `barewire kubernetes rbac` prints, and a kubeconfig for it. */
async function accountWith(
  cluster: Cluster,
  kubectl: (args: readonly string[], input?: string) => Promise<string>,
) {
  const { stdout } = await onCluster(cluster, ['kubernetes', 'rbac', '--json']).ended;
  await kubectl(['create', 'serviceaccount', 'barewire']);
  await kubectl(['apply', '-f', '-'], stdout);
  const token = (await kubectl(['create', 'token', 'barewire'])).trim();
  const config = JSON.parse(await kubectl(['config', 'view', '--raw', '--output', 'json'])) as Record<
    string,
    unknown
  > & { contexts: { context: Record<string, unknown> }[] };
  const { writeFileSync, rmSync } = await import('node:fs');
  const path = `${cluster.kubeconfig}.account`;
  const [{ context } = { context: {} }] = config.contexts;
  context['user'] = 'barewire';
  const users = [{ name: 'barewire', user: { token } }];
  writeFileSync(path, JSON.stringify({ ...config, users }), { mode: 0o600 });
  return {
    as: { kubeconfig: path, kubectlDir: cluster.kubectlDir },
    /** Removes one verb of a resource from the Role; the others are there. */
    without: async (resource: string, verb: string): Promise<void> => {
      const list = JSON.parse(stdout) as {
        items: { kind: string; rules?: { resources: string[]; verbs: string[] }[] }[];
      };
      for (const { kind, rules = [] } of list.items)
        for (const rule of kind === 'Role' ? rules : [])
          if (rule.resources.includes(resource)) rule.verbs = rule.verbs.filter((one) => one !== verb);
      await kubectl(['apply', '-f', '-'], JSON.stringify(list));
    },
    remove: async (): Promise<void> => {
      rmSync(path);
      await kubectl(['delete', 'serviceaccount,role,rolebinding', 'barewire']);
      await kubectl(['delete', 'clusterrole', 'barewire']);
      await kubectl(['delete', 'clusterrolebinding', 'barewire-default', '--ignore-not-found']);
    },
  };
}
