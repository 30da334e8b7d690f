import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseNodes } from '../../../src/testbed/kubernetes/choose-nodes.js';
import type { ClusterNode } from '../../../src/testbed/kubernetes/objects.js';
import { nodeOf, type NodeTraits } from './cluster-objects.js';

const chosen = (nodes: readonly ClusterNode[], asked: [string, string] | null = null, onOneNode = false) => {
  const { client, server } = chooseNodes(nodes, asked, onOneNode);
  return [client.metadata.name, server.metadata.name];
};
const [a, b] = [nodeOf('a'), nodeOf('b')];
const TAINTED = { taints: [{ key: 'dedicated', value: 'db', effect: 'NoSchedule' }] };

describe('the choice of nodes', () => {
  it.each<[string, string, NodeTraits]>([
    ['is not ready', 'not-ready (KubeletReady)', { ready: 'False' }],
    ['does not report', 'not-ready (KubeletReady)', { ready: 'Unknown' }],
    ['is cordoned', 'cordoned', { cordoned: true }],
    ['has a taint', 'tainted (dedicated:NoSchedule)', TAINTED],
    ['evicts pods', 'tainted (k:NoExecute)', { taints: [{ key: 'k', effect: 'NoExecute' }] }],
    ['is of the control plane', 'control-plane', { labels: { 'node-role.kubernetes.io/control-plane': '' } }],
    ['is a master', 'control-plane', { labels: { 'node-role.kubernetes.io/master': '' } }],
    ['runs Windows', 'not-linux (windows)', { operatingSystem: 'windows' }],
    ['has no agent for its architecture', 'architecture (s390x)', { architecture: 's390x' }],
  ])('rejects a node that %s, with the reason', (_, reason, traits) => {
    const other = nodeOf('other', { cpu: '64', ...traits });
    expect(chosen([other, a, b])).toEqual(['a', 'b']);
    expect(() => chosen([other, a])).toThrow(
      `The cluster has no two nodes of one architecture for a study: other ${reason}; a usable (amd64).`,
    );
  });

  it('accepts a taint that only prefers other nodes', () => {
    expect(chosen([a, nodeOf('b', { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] })])).toEqual([
      'a',
      'b',
    ]);
  });

  it.each<[string, Readonly<Record<string, string>>, [string, string]]>([
    ['the largest', { s: '2', l: '8', m: '2', xl: '8' }, ['l', 'xl']],
    ['equal ones before a larger one', { big: '32', one: '4', two: '4' }, ['one', 'two']],
    ['fractions of CPUs by their value', { one: '3920m', two: '15890m', three: '15890m' }, ['two', 'three']],
  ])('prefers %s', (_, cpus, names) => {
    expect(chosen(Object.entries(cpus).map(([name, cpu]) => nodeOf(name, { cpu })))).toEqual(names);
  });

  it('prefers two small nodes of one architecture to two large ones of different architectures', () => {
    const large = [nodeOf('x', { cpu: '64' }), nodeOf('y', { cpu: '64', architecture: 'arm64' })];
    expect(chosen([...large, nodeOf('z', { cpu: '2', architecture: 'arm64' })])).toEqual(['y', 'z']);
    expect(() => chosen(large)).toThrow(/x usable \(amd64\); y usable \(arm64\)/);
  });

  it('never pairs two architectures, and only usable nodes', () => {
    const traits = fc.record({
      cpu: fc.constantFrom('1', '2', '7910m', '64'),
      architecture: fc.constantFrom('amd64', 'arm64', 'ppc64le'),
      ready: fc.constantFrom('True' as const, 'False' as const),
      cordoned: fc.boolean(),
      taints: fc.constantFrom([], TAINTED.taints),
    });
    fc.assert(
      fc.property(fc.array(traits, { maxLength: 6 }), fc.boolean(), (all, onOneNode) => {
        const nodes = all.map((one, index) => nodeOf(`n${index}`, one));
        const usable = (architecture: string) =>
          all.filter(
            (one) =>
              one.ready === 'True' &&
              !one.cordoned &&
              one.taints.length === 0 &&
              one.architecture === architecture,
          ).length;
        const possible = Math.max(usable('amd64'), usable('arm64')) >= (onOneNode ? 1 : 2);
        if (!possible) {
          expect(() => chooseNodes(nodes, null, onOneNode)).toThrow();
          return;
        }
        const { client, server, verdicts } = chooseNodes(nodes, null, onOneNode);
        expect(client.status.nodeInfo.architecture).toBe(server.status.nodeInfo.architecture);
        expect(client === server).toBe(onOneNode);
        expect(verdicts.map(({ name }) => name)).toEqual(nodes.map(({ metadata }) => metadata.name));
        for (const { metadata } of [client, server])
          expect(verdicts.find(({ name }) => name === metadata.name)?.fault).toBeNull();
      }),
    );
  });
});

describe('a study on one node', () => {
  it('takes the largest node for both sides', () => {
    expect(chosen([nodeOf('s', { cpu: '2' }), nodeOf('l', { cpu: '16' })], null, true)).toEqual(['l', 'l']);
  });

  it('runs on the only node of a cluster, and is what the error of another study proposes', () => {
    expect(chosen([a], null, true)).toEqual(['a', 'a']);
    expect(() => chosen([a])).toThrow(
      expect.objectContaining({
        code: 'host-unsupported',
        hint: expect.stringContaining('--networks host-local,pod-local,service-local') as string,
      }),
    );
  });

  it('reports why no node can be used', () => {
    expect(() => chosen([nodeOf('a', { cordoned: true })], null, true)).toThrow(
      'The cluster has no node for a study: a cordoned.',
    );
    expect(() => chosen([], null, true)).toThrow('it has no nodes');
  });
});

describe('named nodes', () => {
  it('are taken in their order, with taints and the role of control plane', () => {
    const tainted = nodeOf('t', TAINTED);
    const plane = nodeOf('p', { labels: { 'node-role.kubernetes.io/control-plane': '' } });
    expect(chosen([a, tainted, plane], ['t', 'p'])).toEqual(['t', 'p']);
    expect(chosen([a, tainted, plane], ['p', 'a'])).toEqual(['p', 'a']);
  });

  it.each<[string, [string, string], NodeTraits, RegExp]>([
    ['that do not exist', ['a', 'c'], {}, /--nodes names c, but the cluster has no such node\./],
    ['that are cordoned', ['a', 'b'], { cordoned: true }, /--nodes names b, which is cordoned\./],
    ['that are not ready', ['b', 'a'], { ready: 'False' }, /--nodes names b, which is not-ready/],
    [
      'of two architectures',
      ['a', 'b'],
      { architecture: 'arm64' },
      /two architectures: a is amd64, b is arm64/,
    ],
    [
      'that are one, across nodes',
      ['a', 'a'],
      {},
      /--nodes names a twice, but the study has networks across/,
    ],
  ])('%s are refused', (_, asked, traits, message) => {
    expect(() => chosen([a, nodeOf('b', traits)], asked)).toThrow(message);
  });

  it('may be one for networks on one node', () => {
    expect(chosen([a, b], ['b', 'b'], true)).toEqual(['b', 'b']);
  });
});
