import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { POD_NETWORKS, type PodNetwork } from '../../../src/testbed/kubernetes/networks.js';
import { DEFAULT_IMAGES, kubernetesOptionsSchema } from '../../../src/testbed/kubernetes/options.js';
import { referencesOf } from '../../../src/testbed/kubernetes/plan.js';
import { ownedObjects, ownerObject } from '../../../src/testbed/kubernetes/pod-objects.js';
import { pairOf, planPods, type CpuShare, type PodPlan } from '../../../src/testbed/kubernetes/pods.js';
import { nodeOf } from './cluster-objects.js';
import { findViolations } from './pod-security.js';

const GUARANTEED: CpuShare = { guaranteed: 3, requested: 1 };
const BURSTABLE: CpuShare = { guaranteed: null, requested: 0.35 };

const nodes = {
  client: nodeOf('alpha', { taints: [{ key: 'dedicated', value: 'bench', effect: 'NoSchedule' }] }),
  server: nodeOf('beta'),
};
const podsOf = (run: string, networks: readonly PodNetwork[] = POD_NETWORKS, cpus = GUARANTEED) =>
  planPods(run, networks, referencesOf(networks), nodes, { client: cpus, server: cpus });

const FACTS = { startedAt: '2026-01-01T00:00:00Z', host: 'h', pid: 7, startTime: 9 };
const UID = '11111111-2222-3333-4444-555555555555';

interface Made {
  readonly networks: readonly PodNetwork[];
  readonly cpus: CpuShare;
  readonly ip: 4 | 6;
}

/** Every object of a run. */
function objectsOf(
  run: string,
  options: Readonly<Record<string, unknown>> = {},
  { networks = POD_NETWORKS, cpus = GUARANTEED, ip = 4 }: Partial<Made> = {},
) {
  const pods = podsOf(run, networks, cpus);
  const owned = { run, uid: UID, options: kubernetesOptionsSchema.parse(options) };
  return {
    pods,
    owner: ownerObject(run, pods, ip, FACTS) as unknown as Shape,
    owned: ownedObjects(owned, pods, networks, ip, true) as unknown as Shape[],
  };
}

type Quantities = Readonly<Record<string, string>>;

interface PodSpec {
  readonly restartPolicy: string;
  readonly automountServiceAccountToken: boolean;
  readonly enableServiceLinks: boolean;
  readonly nodeName?: string;
  readonly affinity: {
    readonly nodeAffinity: {
      readonly requiredDuringSchedulingIgnoredDuringExecution: {
        readonly nodeSelectorTerms: readonly { readonly matchFields: unknown }[];
      };
    };
  };
  readonly tolerations: readonly unknown[];
  readonly imagePullSecrets?: readonly { readonly name: string }[];
  readonly containers: readonly {
    readonly name: string;
    readonly image: string;
    readonly securityContext: { readonly readOnlyRootFilesystem: boolean };
    readonly resources: { readonly requests: Quantities; readonly limits: Quantities };
  }[];
}

interface ServiceSpec {
  readonly type: string;
  readonly ipFamilies: readonly string[];
  readonly selector: Quantities;
}

interface Shape<Spec = unknown> {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly Readonly<Record<string, unknown>>[];
  };
  readonly data: Readonly<Record<string, string>>;
  readonly spec: Spec;
}

const runId = fc.stringMatching(/^[a-z0-9]{6}$/);
const isPod = (object: Shape): object is Shape<PodSpec> => object.kind === 'Pod';
const isService = (object: Shape): object is Shape<ServiceSpec> => object.kind === 'Service';

describe('the pods of a study', () => {
  it('are one generator and one server for each way of attachment, and two more for the control', () => {
    const named = (...names: string[]) =>
      podsOf(
        'abc123',
        POD_NETWORKS.filter(({ name }) => names.includes(name)),
      ).map(({ key }) => key);
    expect(named('host', 'pod', 'service', 'nodeport')).toEqual([
      'client-host',
      'server-host',
      'client-host-control',
      'server-host-control',
      'client-pod',
      'server-pod',
    ]);
    expect(named('pod')).toEqual(['client-pod', 'server-pod', 'client-pod-control', 'server-pod-control']);
    expect(named('host-local', 'pod-local', 'service-local')).toEqual([
      'client-host',
      'near-host',
      'client-host-control',
      'near-host-control',
      'client-pod',
      'near-pod',
    ]);
  });

  it('are on the node of their role, servers of networks on one node beside the client', () => {
    for (const { key, node } of podsOf('abc123'))
      expect([key, node.metadata.name]).toEqual([key, key.startsWith('server') ? 'beta' : 'alpha']);
  });

  it('include both ends of every network', () => {
    fc.assert(
      fc.property(fc.subarray([...POD_NETWORKS], { minLength: 1 }), (networks) => {
        const pods = new Map(podsOf('abc123', networks).map((pod) => [pod.key, pod]));
        for (const network of networks) {
          const { client, server } = pairOf(network, false);
          expect(pods.get(client)).toMatchObject({
            kind: 'generator',
            port: null,
            hostNetwork: network.client === 'host',
          });
          expect(pods.get(server)).toMatchObject({ kind: 'server', hostNetwork: network.server === 'host' });
        }
        for (const name of referencesOf(networks)) {
          const { client, server } = pairOf(
            POD_NETWORKS.find((one) => one.name === name)!,
            true,
          );
          expect(pods.has(client) && pods.has(server)).toBe(true);
        }
      }),
    );
  });

  const hostPorts = (pods: readonly PodPlan[]): number[] =>
    pods.flatMap(({ hostNetwork, port }) => (hostNetwork && port !== null ? [port] : []));

  it('have ports of the node that differ, below the ranges of NodePorts and ephemeral ports', () => {
    fc.assert(
      fc.property(runId, (run) => {
        const ports = hostPorts(podsOf(run));
        expect(ports.length).toBe(4);
        expect(new Set(ports).size).toBe(ports.length);
        for (const port of ports) expect([port >= 20_000, port < 30_000]).toEqual([true, true]);
        for (const { hostNetwork, port } of podsOf(run))
          if (!hostNetwork && port !== null) expect(port).toBe(8080);
      }),
    );
  });

  it('of two runs have different ports of the node, but for one pair of runs in a hundred', () => {
    const runs = fc.sample(fc.uniqueArray(runId, { minLength: 400, maxLength: 400 }), {
      numRuns: 1,
      seed: 7,
    })[0]!;
    const all = runs.map((run) => hostPorts(podsOf(run)));
    const meeting = all.slice(1).filter((ports, at) => ports.some((port) => all[at]!.includes(port)));
    expect(meeting.length).toBeLessThanOrEqual(4);
  });
});

describe('the references', () => {
  it.each<[string[], string[]]>([
    [['host', 'pod', 'service'], ['host']],
    [['pod', 'service'], ['pod']],
    [
      ['host', 'pod', 'host-local', 'pod-local'],
      ['host', 'host-local'],
    ],
    [
      ['pod', 'pod-local', 'service-local'],
      ['pod', 'pod-local'],
    ],
    [['host-local', 'pod-local'], ['host-local']],
  ])('of %j are %j', (names, references) => {
    expect(referencesOf(POD_NETWORKS.filter(({ name }) => names.includes(name)))).toEqual(references);
  });
});

describe('the objects of a run', () => {
  const everyOption = {
    imageNode: 'mirror.internal:5000/node:22',
    imageNginx: 'mirror.internal:5000/nginx:1',
    imagePullSecret: 'pull',
  };

  it.each([
    ['guaranteed', GUARANTEED, {}],
    ['burstable', BURSTABLE, {}],
    ['guaranteed, with every option', GUARANTEED, everyOption],
  ])('meet the level restricted, but for hostNetwork in those of the reference (%s)', (_, cpus, options) => {
    const { pods, owned } = objectsOf('abc123', options, { cpus });
    const found = owned.filter(isPod).map((pod) => findViolations(pod));
    expect(found).toEqual(
      pods.map(({ hostNetwork }) => (hostNetwork ? ['host namespaces (hostNetwork)'] : [])),
    );
  });

  it('that violate the level are found', () => {
    expect(
      findViolations({
        spec: {
          hostPID: true,
          securityContext: { sysctls: [{}] },
          containers: [
            {
              name: 'c',
              securityContext: {
                privileged: true,
                runAsUser: 0,
                capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
              },
              ports: [{ hostPort: 80 }],
            },
          ],
          volumes: [{ name: 'v', hostPath: { path: '/' } }],
        },
      }),
    ).toEqual([
      'host namespaces (hostPID)',
      'privileged',
      'hostPort',
      'sysctls',
      'restricted volume types',
      'allowPrivilegeEscalation != false',
      'runAsNonRoot != true',
      'runAsUser=0',
      'seccompProfile',
      'unrestricted capabilities',
    ]);
  });

  it('have a read-only file system, no token of a service account, and no privileged ports', () => {
    for (const { spec } of objectsOf('abc123').owned.filter(isPod)) {
      expect(spec).toMatchObject({
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        restartPolicy: 'Never',
      });
      for (const { securityContext } of spec.containers)
        expect(securityContext.readOnlyRootFilesystem).toBe(true);
    }
    const configs = Object.entries(objectsOf('abc123').owner.data).filter(([name]) => name.endsWith('.conf'));
    for (const [, text] of configs) {
      expect(Number(/listen\s+\S*?(\d+)(?=[\s;])/.exec(text)?.[1])).toBeGreaterThan(1_024);
      expect(text).not.toMatch(/^\s*(?:user|worker_priority|worker_rlimit_nofile)\b/m);
    }
    expect(configs).toHaveLength(6);
  });

  it('are all owned by the first one, and have the labels of the run', () => {
    fc.assert(
      fc.property(runId, (run) => {
        const { owner, owned, pods } = objectsOf(run);
        expect(owner.metadata).toEqual({
          name: `barewire-${run}`,
          labels: { 'app.kubernetes.io/managed-by': 'barewire', 'barewire.run': run },
        });
        for (const { kind, metadata } of owned) {
          expect(metadata.ownerReferences).toEqual([
            { apiVersion: 'v1', kind: 'ConfigMap', name: owner.metadata.name, uid: UID },
          ]);
          expect(metadata.labels).toMatchObject(owner.metadata.labels);
          expect(metadata.name).toMatch(/^[a-z][a-z0-9-]{0,61}[a-z0-9]$/);
          if (kind === 'Pod')
            expect(pods.map(({ key }) => `barewire-${run}-${key}`)).toContain(metadata.name);
        }
        const names = [owner, ...owned].map(({ kind, metadata }) => `${kind}/${metadata.name}`);
        expect(new Set(names).size).toBe(names.length);
      }),
      { numRuns: 20 },
    );
  });

  it('are namespaced, of four kinds', () => {
    const { owner, owned } = objectsOf('abc123');
    const kinds = new Set([owner, ...owned].map(({ kind }) => kind));
    expect([...kinds].toSorted()).toEqual(['ConfigMap', 'NetworkPolicy', 'Pod', 'Service']);
  });

  it('pin each pod to its node, and tolerate the taints that the node had, none else', () => {
    for (const { spec, metadata } of objectsOf('abc123').owned.filter(isPod)) {
      const name = metadata.name.includes('-server-') ? 'beta' : 'alpha';
      const [term] =
        spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms;
      expect(term?.matchFields).toEqual([{ key: 'metadata.name', operator: 'In', values: [name] }]);
      expect(spec.tolerations).toEqual(
        name === 'alpha'
          ? [{ key: 'dedicated', operator: 'Equal', value: 'bench', effect: 'NoSchedule' }]
          : [],
      );
      expect(spec.nodeName).toBeUndefined();
    }
  });

  it('of guaranteed pods request what they limit, in whole CPUs for the load', () => {
    for (const { spec } of objectsOf('abc123').owned.filter(isPod)) {
      for (const { resources } of spec.containers) expect(resources.requests).toEqual(resources.limits);
      expect(spec.containers[0]?.resources.limits['cpu']).toBe('3');
    }
  });

  it('of burstable pods have no limit of CPU, which would throttle the load', () => {
    for (const { spec } of objectsOf('abc123', {}, { cpus: BURSTABLE }).owned.filter(isPod)) {
      for (const { resources } of spec.containers) expect(Object.keys(resources.limits)).toEqual(['memory']);
      expect(spec.containers[0]?.resources.requests['cpu']).toBe('350m');
    }
  });

  it('use the images and the secret that are given, and otherwise public images', () => {
    for (const { spec } of objectsOf('abc123', everyOption).owned.filter(isPod)) {
      expect(spec.imagePullSecrets).toEqual([{ name: 'pull' }]);
      for (const { name, image } of spec.containers)
        expect(image).toBe(name === 'nginx' ? everyOption.imageNginx : everyOption.imageNode);
    }
    for (const { spec } of objectsOf('abc123').owned.filter(isPod)) {
      expect(spec.imagePullSecrets).toBeUndefined();
      for (const { name, image } of spec.containers)
        expect(image).toBe(name === 'nginx' ? DEFAULT_IMAGES.nginx : DEFAULT_IMAGES.node);
    }
  });

  it.each([[4 as const], [6 as const]])('have Services that select one server, over IPv%i', (ip) => {
    const { owned } = objectsOf('abc123', {}, { ip });
    const services = owned.filter(isService);
    expect(services.map(({ metadata, spec }) => [metadata.name, spec.type])).toEqual([
      ['barewire-abc123-service', 'ClusterIP'],
      ['barewire-abc123-nodeport', 'NodePort'],
      ['barewire-abc123-service-local', 'ClusterIP'],
    ]);
    for (const { spec } of services) {
      expect(spec.ipFamilies).toEqual([`IPv${ip}`]);
      const matches = owned.filter(
        ({ kind, metadata }) =>
          kind === 'Pod' &&
          Object.entries(spec.selector).every(([key, value]) => metadata.labels[key] === value),
      );
      expect(matches).toHaveLength(1);
    }
  });
});
