/**
 * A Kubernetes of two nodes on this machine: the real components, in namespaces that end with the process that
 * started them.
 */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildFlanneld, buildKube } from './binaries.js';
import { createCertificates } from './certificates.js';
import { Cluster } from './cluster.js';
import type { NodePlan } from './configuration.js';
import { startControlPlane } from './control-plane.js';
import { buildImage } from './images.js';
import { Namespaces } from './namespaces.js';
import { joinNode, startContainerd } from './node.js';
import type { ClusterOptions, Site } from './site.js';
import { isComplete } from './ready.js';
import { waitUntil } from './wait.js';

export type { Cluster } from './cluster.js';
export type { ClusterOptions } from './site.js';
export { clusterSupport } from './support.js';

/** The timeout of a hook that starts a cluster: the first start on a machine compiles Kubernetes. */
export const CLUSTER_START_MS = 30 * 60_000;

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { kube, pause } = await buildKube();
  const flanneld = options.podNetwork === 'static' ? null : await buildFlanneld();
  const kinds = ['pause', 'nginx', 'node'] as const;
  const images = await Promise.all(kinds.map((kind) => buildImage(kind, pause)));
  const id = `barewire-cluster-${randomBytes(3).toString('hex')}`;
  const folder = join(tmpdir(), id);
  await mkdir(join(folder, 'log'), { recursive: true });
  const namespaces = await Namespaces.open(folder, id);
  try {
    const certificates = await createCertificates(join(folder, 'pki'));
    const nodes = planNodes(options.nodeNames ?? ['node1', 'node2'], folder, id);
    const daemons: Site['daemons'] = new Map();
    const site = { options, folder, namespaces, nodes, certificates, daemons, kube, flanneld, images };
    // The images are imported while the API server starts.
    const [access, ...nodePids] = await allOf([
      startControlPlane(site),
      startContainerd(site, nodes[0]),
      startContainerd(site, nodes[1]),
    ]);
    await allOf(nodes.map((node) => joinNode(site, node, nodePids[node.index])));
    await waitUntil('the cluster is complete', [...daemons.values()], () => isComplete(access.api));
    return new Cluster({
      ...access,
      namespaces,
      nodeNames: [nodes[0].name, nodes[1].name],
      nodePids,
      daemons,
    });
  } catch (error) {
    await namespaces[Symbol.asyncDispose]();
    throw error;
  }
}

function planNodes(names: readonly [string, string], folder: string, id: string): [NodePlan, NodePlan] {
  const plan = (index: 0 | 1): NodePlan => ({
    index,
    name: names[index],
    folder: join(folder, `node${index + 1}`),
    cgroup: `${id}-${index + 1}`,
  });
  return [plan(0), plan(1)];
}

/** Waits for all, so that nothing is still being created when the failure of one is handled. */
async function allOf<const T extends readonly Promise<unknown>[]>(
  promises: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}
