import type { Environment, Finding } from '../../schema/index.js';
import type { ClusterPlan } from './cluster-plan.js';
import { describeCni, describeServiceProxy, detectCni, type CniEvidence } from './cni.js';
import { requireNetwork } from './networks.js';
import type { ClusterNode } from './objects.js';
import type { PodPlan } from './pods.js';

/** What a node shows, and the mode that its kube-proxy reports. */
type NodeEvidence = CniEvidence & { readonly proxyMode: string | null };

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
  { references }: ClusterPlan,
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
    ...(references.some((name) => name.startsWith('pod'))
      ? [{ code: 'limitation', limitation: 'pod-reference' } as const]
      : []),
    { code: 'limitation', limitation: 'client-clock' },
  ];
}

/** What a network is on this cluster: the CNI, who programs Services, which node is addressed. */
export function describeNetwork(name: string, { nodes }: ClusterPlan, evidence: NodeEvidence): string {
  const network = requireNetwork(name);
  if (network.client === 'host') return network.what;
  const cni = describeCni(detectCni(evidence));
  const proxy = describeServiceProxy(evidence.proxyMode, evidence);
  switch (network.to) {
    case 'pod':
      return `${network.what} (${cni})`;
    case 'service':
      return `${network.what} (${proxy}, over ${cni})`;
    case 'nodeport':
      return `${network.what} (${nodes.server.metadata.name}, externalTrafficPolicy Cluster, ${proxy}, over ${cni})`;
  }
}
