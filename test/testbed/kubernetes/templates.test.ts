import { describe, expect, test } from 'vitest';
import { BarewireError } from '../../../src/schema/index.js';
import { resolveSpec } from '../../../src/study/index.js';
import { choosePools } from '../../../src/testbed/kubernetes/node-pools.js';
import { podNetworksOf } from '../../../src/testbed/kubernetes/described-networks.js';
import { nodeSchema, type ClusterNode } from '../../../src/testbed/kubernetes/objects.js';
import { kubernetesOptionsSchema, type KubernetesOptions } from '../../../src/testbed/kubernetes/options.js';
import { podObject } from '../../../src/testbed/kubernetes/pod-objects.js';
import { applyTemplate } from '../../../src/testbed/kubernetes/pod-template.js';
import { planPods } from '../../../src/testbed/kubernetes/pods.js';
import { chooseReferences } from '../../../src/testbed/kubernetes/references.js';

const FAST = { name: 'pod-fast', pod: { spec: { runtimeClassName: 'fast' } } };

const resolve = (networks: readonly unknown[], overrides: Readonly<Record<string, unknown>> = {}) =>
  resolveSpec({ testbed: 'kubernetes', rates: [500], networks }, 'study.yaml', overrides, () => 1);

const optionsOf = (networks: readonly unknown[]): KubernetesOptions =>
  kubernetesOptionsSchema.parse(resolve(networks).testbed.options);

const chosenFrom = (networks: readonly unknown[]) => {
  const names = resolve(networks).networks;
  return podNetworksOf(optionsOf(networks)).filter(({ name }) => names.includes(name));
};

describe('networks that a spec describes', () => {
  test('are resolved to names, and their templates to options of the testbed', () => {
    const study = resolve(['host', 'pod', { ...FAST, address: 'net1' }]);
    expect(study.networks).toEqual(['host', 'pod', 'pod-fast']);
    expect(study.testbed.options).toMatchObject({
      templates: { 'pod-fast': { like: 'pod', pod: FAST.pod, address: 'net1' } },
    });
  });

  test('are chosen by name on the command line, without the others', () => {
    const described = [FAST, { ...FAST, name: 'pod-slow' }];
    const study = resolve(['host', ...described], { networks: ['host', 'pod-slow'] });
    expect(study.networks).toEqual(['host', 'pod-slow']);
    expect(study.testbed.options).toMatchObject({ templates: { 'pod-slow': { like: 'pod' } } });
    expect(Object.keys((study.testbed.options as KubernetesOptions).templates)).toEqual(['pod-slow']);
  });

  test('survive study.json: the resolved options are parsed to the same', () => {
    const options = optionsOf(['host', { ...FAST, nodes: ['c', 'd'] }]);
    expect(kubernetesOptionsSchema.parse(JSON.parse(JSON.stringify(options)))).toEqual(options);
  });

  test('on other nodes get the host network there as their reference', () => {
    const networks = [
      'host',
      'pod',
      { ...FAST, nodes: ['c', 'd'] },
      { ...FAST, name: 'near', like: 'pod-local' },
    ];
    expect(resolve(networks).networks).toEqual(['host', 'pod', 'pod-fast', 'near', 'pod-fast-host']);
    expect(chooseReferences(chosenFrom(networks))).toEqual({
      names: ['host', 'near', 'pod-fast-host'],
      byNetwork: { near: 'near', 'pod-fast': 'pod-fast-host', 'pod-fast-host': 'pod-fast-host' },
    });
  });

  test('on other nodes share the reference that the spec describes there', () => {
    const nodes = ['c', 'd'];
    const networks = ['host', { ...FAST, nodes }, { name: 'host-new', like: 'host', nodes }];
    expect(resolve(networks).networks).toEqual(['host', 'pod-fast', 'host-new']);
    expect(chooseReferences(chosenFrom(networks)).byNetwork).toEqual({
      'pod-fast': 'host-new',
      'host-new': 'host-new',
    });
  });

  test('with the same template share their pods', () => {
    const service = { ...FAST, name: 'service-fast', like: 'service' };
    const plain = { name: 'pod-again' };
    const pods = chosenFrom(['pod', FAST, service, plain]).map(({ name, pods }) => [name, pods]);
    expect(pods).toEqual([
      ['pod', 'pod'],
      ['pod-fast', 'pod-fast'],
      ['service-fast', 'pod-fast'],
      ['pod-again', 'pod-again'],
    ]);
  });
});

test.each([
  [{ name: 'Pod' }, 'study.yaml: networks.1.name must be a name', '-control'],
  [{ like: 'pod' }, 'networks.1.name must be a name', 'got missing'],
  [{ name: 'pod' }, 'networks.1.name: there is another network "pod"', 'Choose'],
  [{ name: 'a', lik: 'pod' }, 'networks.1 has the unknown key "lik"', 'Did you mean "like"?'],
  [{ name: 'a', like: 'pods' }, 'networks.1.like is "pods"', 'Correct'],
  [{ name: 'a', pod: { spec: { runtimeClass: 'x' } } }, 'networks.1.pod.spec has', '"runtimeClassName"?'],
  [
    { name: 'a', pod: { spec: { tolerations: [{ keys: 'x' }] } } },
    'networks.1.pod.spec.tolerations.0 has the unknown key "keys"',
    'Did you mean "key"?',
  ],
  [
    { name: 'a', pod: { metadata: { annotations: { on: true } } } },
    'networks.1.pod.metadata.annotations.on is true: write text',
    'Correct',
  ],
  [{ name: 'a', pod: { spec: { hostNetwork: true } } }, 'pod.spec.hostNetwork cannot be set', 'like: host'],
  [
    { name: 'a', pod: { spec: { securityContext: { privileged: true } } } },
    'networks.1.pod.spec.securityContext.privileged cannot be set',
    'never privileged',
  ],
  [{ name: 'a', pod: { spec: { containers: [] } } }, 'pod.spec.containers cannot be set', 'Omit it'],
  [{ name: 'a', pod: { metadata: { name: 'x' } } }, 'pod.metadata.name cannot be set', 'Omit it'],
  [
    { name: 'a', pod: { metadata: { labels: { 'barewire.run': 'x' } } } },
    'labels.barewire.run cannot be set',
    'another label',
  ],
  [{ name: 'a', like: 'service', address: 'net1' }, 'networks.1.address is "net1"', 'like: pod'],
  [{ name: 'a', nodes: ['c', 'c'] }, 'networks.1.nodes names c twice', 'like: pod-local'],
  [{ name: 'a', nodes: ['c'] }, 'networks.1.nodes is ["c"]: name two nodes', 'Correct'],
])('refuses %j with its place in the spec', (entry, message, hint) => {
  const error = (() => {
    try {
      return resolve(['host', entry]);
    } catch (thrown) {
      return thrown;
    }
  })();
  if (!(error instanceof BarewireError)) throw new Error('it was not refused');
  expect(error.code).toBe('bad-input');
  expect(`${error.message} ${error.hint}`).toContain(message);
  expect(`${error.message} ${error.hint}`).toContain(hint);
});

test('a testbed without pods refuses a description', () => {
  expect(() => resolve(['host', FAST], { testbed: 'netns' })).toThrow(
    'study.yaml: networks.1 describes a network, but the testbed netns has only networks with names.',
  );
});

const node = (name: string, labels: Readonly<Record<string, string>> = {}): ClusterNode =>
  nodeSchema.parse({
    metadata: { name, labels },
    status: {
      conditions: [{ type: 'Ready', status: 'True' }],
      allocatable: { cpu: '8' },
      nodeInfo: {
        architecture: 'amd64',
        operatingSystem: 'linux',
        kernelVersion: '6.12',
        osImage: '',
        containerRuntimeVersion: '',
        kubeletVersion: '',
      },
    },
  });

describe('pods of a template', () => {
  const share = { guaranteed: null, requested: 0.5 };
  const nodes = { client: node('a'), server: node('b') };
  const podOf = (key: string, networks: readonly unknown[]) => {
    const pods = planPods('run1', chosenFrom(networks), 'host', () => nodes, {
      client: share,
      server: share,
    });
    const plan = pods.find((one) => one.key === key);
    if (plan === undefined) throw new Error(`no pod ${key} in ${pods.map((one) => one.key).join()}`);
    return podObject({ run: 'run1', uid: 'u', options: optionsOf(networks) }, plan);
  };

  test('differ from those of the pod network by the template alone', () => {
    const networks = ['host', 'pod', FAST];
    const [plain, fast] = [podOf('server-pod', networks), podOf('server-pod-fast', networks)];
    const named = JSON.stringify(plain).replaceAll('server-pod', 'server-pod-fast');
    const { spec, ...rest } = JSON.parse(named) as { spec: object };
    expect(fast).toEqual({ ...rest, spec: { ...spec, runtimeClassName: 'fast' } });
  });

  test('keep the labels, the tolerations and the security context of a study', () => {
    const own = {
      metadata: { labels: { run: 'own' } },
      spec: {
        securityContext: { runAsNonRoot: true },
        tolerations: [{ key: 'taint' }],
        dnsPolicy: 'Default',
      },
    };
    const merged = applyTemplate(own, {
      metadata: { labels: { run: 'other', tier: 'x' }, annotations: { cni: 'second' } },
      spec: {
        tolerations: [{ operator: 'Exists' }],
        dnsPolicy: 'ClusterFirst',
        securityContext: { sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }] },
      },
    });
    expect(merged).toEqual({
      metadata: { labels: { run: 'own', tier: 'x' }, annotations: { cni: 'second' } },
      spec: {
        securityContext: {
          runAsNonRoot: true,
          sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }],
        },
        tolerations: [{ key: 'taint' }, { operator: 'Exists' }],
        dnsPolicy: 'ClusterFirst',
      },
    });
  });
});

describe('nodes', () => {
  const listed = [node('a'), node('b'), node('c', { pool: 'new' }), node('d', { pool: 'new' })];
  const chosenNodes = (networks: readonly unknown[]) => {
    const { chosen, pools } = choosePools(listed, null, chosenFrom(networks));
    const names = [chosen, ...pools.map((pool) => pool.nodes)].map(({ client, server }) => [
      client.metadata.name,
      server.metadata.name,
    ]);
    return names;
  };

  test('of a network are not chosen for the study where others are left', () => {
    expect(chosenNodes(['host', 'pod', { ...FAST, nodes: ['a', 'c'] }])).toEqual([
      ['b', 'd'],
      ['a', 'c'],
    ]);
    expect(
      chosenNodes(['host', { ...FAST, nodes: ['a', 'b'] }, { ...FAST, name: 'x', nodes: ['d', 'c'] }]),
    ).toEqual([
      ['a', 'b'],
      ['a', 'b'],
      ['d', 'c'],
    ]);
  });

  test('that do not exist are refused with the network that names them', () => {
    expect(() => chosenNodes(['host', { ...FAST, nodes: ['a', 'z'] }])).toThrow(
      'nodes of the network pod-fast names z, but the cluster has no such node.',
    );
  });

  test('that a nodeSelector does not match are refused', () => {
    const selecting = { name: 'pod-new', pod: { spec: { nodeSelector: { pool: 'new' } } } };
    expect(() => chosenNodes(['host', selecting])).toThrow(
      'The nodeSelector of the network pod-new does not match the node a: pool=new.',
    );
    expect(chosenNodes(['host', { ...selecting, nodes: ['c', 'd'] }])[1]).toEqual(['c', 'd']);
  });
});
