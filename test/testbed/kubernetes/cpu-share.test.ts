import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sharePodCpus } from '../../../src/testbed/kubernetes/cpu-share.js';
import { nodeOf, podOf } from './cluster-objects.js';

const share = (
  cpus: readonly [string, string],
  others: { readonly client: readonly string[] | null; readonly server: readonly string[] | null },
  pods: readonly [number, number],
) => {
  const nodes = { client: nodeOf('c', { cpu: cpus[0] }), server: nodeOf('s', { cpu: cpus[1] }) };
  const podsOn = (requests: readonly string[] | null) =>
    requests?.map((cpu, index) => podOf(`o${index}`, [{ cpu }, {}])) ?? null;
  return sharePodCpus(nodes, { client: podsOn(others.client), server: podsOn(others.server) }, [
    ...Array.from({ length: pods[0] }, () => ({ node: nodes.client })),
    ...Array.from({ length: pods[1] }, () => ({ node: nodes.server })),
  ]);
};
const NO_OTHERS = { client: [], server: [] };

describe('CPUs of pods', () => {
  it.each<[string, Parameters<typeof share>, readonly [number | null, number | null]]>([
    ['are whole where they fit', [['16', '16'], NO_OTHERS, [3, 3]], [4, 4]],
    ['are at most four for a container', [['64', '64'], NO_OTHERS, [3, 3]], [4, 4]],
    ['follow the free CPUs of each node', [['8', '16'], NO_OTHERS, [2, 3]], [3, 4]],
    ['less what other pods request', [['8', '8'], { client: ['1500m', '500m'], server: [] }, [2, 2]], [2, 3]],
    ['none where a generator has no two', [['4', '64'], NO_OTHERS, [3, 3]], [null, null]],
    ['none where a server has none', [['16', '2'], NO_OTHERS, [3, 3]], [null, null]],
    [
      'none where other pods are not visible',
      [['64', '64'], { client: null, server: null }, [3, 3]],
      [null, null],
    ],
    [
      'none where one node is not visible',
      [['64', '64'], { client: [], server: null }, [3, 3]],
      [null, null],
    ],
  ])('are %s', (_, args, [client, server]) => {
    const shares = share(...args);
    expect([shares.client.guaranteed, shares.server.guaranteed]).toEqual([client, server]);
  });

  it.each<[string, Parameters<typeof share>, readonly [number, number]]>([
    ['share what is free', [['2', '2'], NO_OTHERS, [3, 4]], [0.5, 0.4]],
    ['request little on a full node', [['2', '2'], { client: ['2'], server: ['3'] }, [3, 3]], [0.05, 0.05]],
    ['request one CPU at most', [['4', '4'], NO_OTHERS, [1, 3]], [1, 1]],
    [
      'request little where other pods are not visible',
      [['8', '8'], { client: null, server: null }, [3, 3]],
      [0.05, 0.05],
    ],
  ])('of burstable pods %s', (_, args, [client, server]) => {
    const shares = share(...args);
    expect([shares.client.requested, shares.server.requested]).toEqual([client, server]);
  });

  it('fit into the node with the agents and half a CPU to spare', () => {
    const cpus = fc.integer({ min: 1, max: 96_000 }).map((milli) => `${milli}m`);
    fc.assert(
      fc.property(
        fc.tuple(cpus, cpus),
        fc.array(cpus, { maxLength: 4 }),
        fc.nat(8),
        fc.nat(8),
        (nodes, others, here, there) => {
          const { client, server } = share(nodes, { client: others, server: [] }, [here, there]);
          expect(client.guaranteed === null).toBe(server.guaranteed === null);
          if (client.guaranteed === null || server.guaranteed === null) return;
          const taken = others.reduce((sum, text) => sum + Number.parseInt(text, 10) / 1_000, 0);
          expect(client.guaranteed).toBeGreaterThanOrEqual(2);
          expect(server.guaranteed).toBeGreaterThanOrEqual(1);
          const [first, second] = nodes.map((text) => Number.parseInt(text, 10) / 1_000);
          expect(here * (client.guaranteed + 0.5) + 0.5).toBeLessThanOrEqual(first! - taken + 1e-9);
          expect(there * (server.guaranteed + 0.5) + 0.5).toBeLessThanOrEqual(second! + 1e-9);
        },
      ),
    );
  });
});
