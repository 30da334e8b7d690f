import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CLUSTER_START_MS,
  clusterSupport,
  startCluster,
  type Cluster,
  type ClusterOptions,
} from './cluster/index.js';

const support = await clusterSupport();
if (!support.ok) console.error(`Skipped: ${support.reason}`);

const CASES: readonly ClusterOptions[] = [
  { podNetwork: 'vxlan', proxyMode: 'nftables', images: { 'registry.example/web:1': 'nginx' } },
  { podNetwork: 'host-gw', proxyMode: 'iptables', nodeNames: ['alpha', 'beta'] },
];

describe.skipIf(!support.ok).each(CASES)(
  'a cluster with $podNetwork and kube-proxy in $proxyMode mode',
  (options) => {
    let cluster: Cluster;
    let machineBefore: unknown;
    let objectsBefore: readonly string[];

    beforeAll(async () => {
      machineBefore = snapshot();
      cluster = await startCluster(options);
      objectsBefore = await cluster.listObjects();
      await kubectl(['create', '-f', '-'], JSON.stringify(NAMESPACE));
      await kubectl(['-n', 'proof', 'wait', '--for=create', 'serviceaccount/default', '--timeout=30s']);
      await kubectl(['create', '-f', '-'], JSON.stringify(manifests(cluster.nodeNames)));
      await kubectl(['-n', 'proof', 'wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s']);
    }, CLUSTER_START_MS);

    afterAll(() => cluster[Symbol.asyncDispose]());

    const kubectl = async (args: readonly string[], input?: string): Promise<string> => {
      const { code, stdout, stderr } = await cluster.kubectl(args, input === undefined ? {} : { input });
      expect(code, stderr).toBe(0);
      return stdout;
    };
    const inClient = (script: string): Promise<string> =>
      kubectl(['-n', 'proof', 'exec', 'client', '--', 'node', '-e', script]);
    const fetchFrom = (url: string): Promise<string> =>
      inClient(`fetch('${url}').then(async (r) => console.log(r.status, (await r.text()).length))`);
    const podAddress = (name: string): Promise<string> =>
      kubectl(['-n', 'proof', 'get', 'pod', name, '-o', 'jsonpath={.status.podIP}']);

    it('has two ready nodes with the capacity of this machine', async () => {
      const nodes = JSON.parse(await kubectl(['get', 'nodes', '-o', 'json'])) as NodeList;
      expect(nodes.items.map(({ metadata }) => metadata.name)).toEqual(
        options.nodeNames ?? ['node1', 'node2'],
      );
      for (const { status } of nodes.items) {
        expect(status.conditions.find(({ type }) => type === 'Ready')?.status).toBe('True');
        expect(Number(status.capacity['cpu'])).toBeGreaterThan(0);
        expect(status.capacity['memory']).toMatch(/^\d+Ki$/);
      }
    });

    it('runs restricted pods of both images, with exec and logs', async () => {
      expect(await inClient('console.log(process.getuid(), process.versions.node)')).toBe(
        `1000 ${process.versions.node}\n`,
      );
      expect(await kubectl(['-n', 'proof', 'exec', 'server', '--', 'nginx', '-t', '-c', CONFIG])).toBe('');
      expect(await kubectl(['-n', 'proof', 'logs', 'client'])).toBe('started\n');
    });

    it('refuses a pod that is not restricted', async () => {
      const pod = JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'privileged', namespace: 'proof' },
        spec: { containers: [{ name: 'c', image: 'docker.io/library/node:24-slim' }] },
      });
      const { code, stderr } = await cluster.kubectl(['create', '-f', '-'], { input: pod });
      expect(code).toBe(1);
      expect(stderr).toContain('violates PodSecurity "restricted:latest"');
    });

    it('carries HTTP between pods of different nodes over the device of its pod network', async () => {
      const url = `http://${await podAddress('server')}:8080/`;
      const before = await tunnelPackets(cluster);
      expect(await fetchFrom(url)).toBe('200 3000\n');
      const after = await tunnelPackets(cluster);
      if (options.podNetwork === 'vxlan') expect(after! - before!).toBeGreaterThan(5);
      else expect(after).toBeNull();
    });

    it('reaches a service by its cluster address and its node port', async () => {
      const service = JSON.parse(
        await kubectl(['-n', 'proof', 'get', 'service', 'server', '-o', 'json']),
      ) as {
        spec: { clusterIP: string; ports: { nodePort: number }[] };
      };
      expect(await eventually(() => fetchFrom(`http://${service.spec.clusterIP}/`))).toBe('200 3000\n');
      const port = service.spec.ports[0]?.nodePort;
      expect(await eventually(() => fetchFrom(`http://10.98.0.1:${port}/`))).toBe('200 3000\n');
    });

    it('has the same objects again after what was created is deleted', async () => {
      await kubectl(['delete', 'namespace', 'proof', '--timeout=60s']);
      expect(await cluster.listObjects()).toEqual(objectsBefore);
    });

    it('survives a kill of its API server', async () => {
      process.kill(cluster.pids['kube-apiserver']!, 'SIGKILL');
      await cluster.restartApiServer();
      expect(await kubectl(['get', '--raw', '/readyz'])).toBe('ok');
    });

    it('leaves nothing behind', async () => {
      const { kubeconfig, pids } = cluster;
      const { supervisor, ...daemons } = pids;
      const namespaces = new Set(Object.values(daemons).map((pid) => pidNamespace(String(pid))));
      expect(namespaces.size).toBe(3);
      // A killed supervisor cannot clean up: disposing does.
      if (options.podNetwork === 'host-gw') process.kill(supervisor!, 'SIGKILL');
      await cluster[Symbol.asyncDispose]();
      expect(readdirSync('/proc').filter((pid) => namespaces.has(pidNamespace(pid)))).toEqual([]);
      expect(existsSync(`/proc/${supervisor}`)).toBe(false);
      expect(existsSync(dirname(kubeconfig))).toBe(false);
      const cgroups = readdirSync('/sys/fs/cgroup').flatMap((name) => readdirSync(`/sys/fs/cgroup/${name}`));
      expect(cgroups.filter((name) => name.startsWith(basename(dirname(kubeconfig))))).toEqual([]);
      expect(snapshot()).toEqual(machineBefore);
    });
  },
);

interface NodeList {
  readonly items: readonly {
    readonly metadata: { readonly name: string };
    readonly status: {
      readonly conditions: readonly { readonly type: string; readonly status: string }[];
      readonly capacity: Readonly<Record<string, string>>;
    };
  }[];
}

const NAMESPACE = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'proof', labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
};
const CONFIG = '/etc/proof/nginx.conf';

/** A client on the first node, and a server on the second with a service. */
function manifests(nodeNames: readonly [string, string]): object {
  const nginx = `pid /tmp/pid; error_log /dev/null; daemon off; events {} http { access_log off; client_body_temp_path /tmp/b;
    proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
    server { listen 8080; location / { return 200 "${'x'.repeat(3000)}"; } } }`;
  const pod = (name: string, node: string, user: number, container: object, volumes: readonly object[]) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'proof', labels: { app: name } },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 0,
      securityContext: { runAsNonRoot: true, runAsUser: user, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'main',
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          resources: { limits: { cpu: '500m', memory: '200Mi' } },
          ...container,
        },
      ],
      volumes: [{ name: 'tmp', emptyDir: {} }, ...volumes],
    },
  });
  const tmp = { name: 'tmp', mountPath: '/tmp' };
  const items = [
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'server', namespace: 'proof' },
      data: { 'nginx.conf': nginx },
    },
    pod(
      'client',
      nodeNames[0],
      1000,
      {
        image: 'docker.io/library/node:24-slim',
        command: ['sh', '-c', 'echo started; exec node -e "setInterval(() => {}, 1000)"'],
        volumeMounts: [tmp],
      },
      [],
    ),
    pod(
      'server',
      nodeNames[1],
      101,
      {
        image: 'docker.io/library/nginx:stable',
        command: ['nginx', '-e', 'stderr', '-c', CONFIG],
        volumeMounts: [tmp, { name: 'config', mountPath: '/etc/proof' }],
      },
      [{ name: 'config', configMap: { name: 'server' } }],
    ),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'server', namespace: 'proof' },
      spec: { type: 'NodePort', selector: { app: 'server' }, ports: [{ port: 80, targetPort: 8080 }] },
    },
  ];
  return { apiVersion: 'v1', kind: 'List', items };
}

/** Packets that the first node sent through flannel's VXLAN device; null without one. */
async function tunnelPackets(cluster: Cluster): Promise<number | null> {
  const { code, stdout } = await cluster.onNode(0, ['cat', '/sys/class/net/flannel.1/statistics/tx_packets']);
  return code === 0 ? Number(stdout) : null;
}

/** The rules of a new service take a moment. */
async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 0; tries < 20; tries++) {
    try {
      return await attempt();
    } catch {
      await sleep(200);
    }
  }
  return attempt();
}

/** Null for a process that has ended, and for what is not one. */
function pidNamespace(pid: string): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return null;
  }
}

/** What a cluster must not change on this machine. */
function snapshot(): unknown {
  const read = (file: string, ...args: string[]): string => execFileSync(file, args, { encoding: 'utf8' });
  return {
    links: (JSON.parse(read('ip', '-j', 'link')) as { ifname: string; operstate: string }[]).map(
      ({ ifname, operstate }) => [ifname, operstate],
    ),
    routes: read('ip', '-j', 'route', 'show', 'table', 'all'),
    rules: read('ip', '-j', 'rule'),
    nftables: read('nft', 'list', 'ruleset'),
    forwarding: readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8'),
    mounts: readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      // Tests of network namespaces mount them.
      .filter((line) => !line.includes(' /run/netns/')),
    folders: [
      '/var/lib',
      '/var/log',
      '/var/lib/cni',
      '/usr/libexec',
      '/etc/cni',
      '/opt',
      '/run/containerd',
    ].map((folder) => [folder, existsSync(folder) ? readdirSync(folder) : null]),
  };
}
