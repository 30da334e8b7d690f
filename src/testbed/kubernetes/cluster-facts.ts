import type { Environment, Finding } from '../../schema/index.js';
import type { ClusterPlan } from './cluster-plan.js';
import { describeCni, describeServiceProxy, detectCni, type CniEvidence } from './cni.js';
import { isDescribed, requireNetwork } from './networks.js';
import { nodesOf } from './node-pools.js';
import type { ClusterNode } from './objects.js';
import type { PodPlan } from './pods.js';

/** What a node shows, and the mode that its kube-proxy reports. */
export type NodeEvidence = CniEvidence & { readonly proxyMode: string | null };

/** Facts of a node that its agent does not see. */
export const factsOf = ({ status }: ClusterNode, evidence: NodeEvidence): Environment => ({
  osImage: status.nodeInfo.osImage || null,
  containerRuntime: status.nodeInfo.containerRuntimeVersion || null,
  kubelet: status.nodeInfo.kubeletVersion || null,
  cni: describeCni(detectCni(evidence)),
  serviceProxy: describeServiceProxy(evidence.proxyMode, evidence),
});

/** What results of this cluster do not show. */
export function limitationsOf(
  { networks, references }: ClusterPlan,
  pods: readonly PodPlan[],
  oneKernel: boolean,
): readonly Finding[] {
  return [
    ...(oneKernel ? [{ code: 'limitation', limitation: 'one-kernel' } as const] : []),
    { code: 'limitation', limitation: 'other-traffic' },
    { code: 'limitation', limitation: 'no-priority' },
    ...(pods.some(({ cpus: { guaranteed } }) => guaranteed === null)
      ? [{ code: 'limitation', limitation: 'burstable-pods' } as const]
      : []),
    ...(references.some((name) => requireNetwork(networks, name).client === 'pod')
      ? [{ code: 'limitation', limitation: 'pod-reference' } as const]
      : []),
    { code: 'limitation', limitation: 'client-clock' },
  ];
}

/** What a network is on this cluster: the CNI, who programs Services, which node is addressed. */
export function describeNetwork(name: string, cluster: ClusterPlan, evidence: NodeEvidence): string {
  const network = requireNetwork(cluster.networks, name);
  if (network.client === 'host') return network.what;
  // A template may select another CNI than the nodes show.
  const over = isDescribed(network) ? [] : [describeCni(detectCni(evidence))];
  const proxied = [describeServiceProxy(evidence.proxyMode, evidence), ...over.map((cni) => `over ${cni}`)];
  const node = nodesOf(cluster, network).server.metadata.name;
  const details = {
    pod: over,
    service: proxied,
    nodeport: [node, 'externalTrafficPolicy Cluster', ...proxied],
  }[network.to];
  return details.length === 0 ? network.what : `${network.what} (${details.join(', ')})`;
}
