import type { PodNetwork } from './networks.js';
import type { ClusterNode } from './objects.js';

/** A pod of a study before it exists. */
export interface PodPlan {
  /** Within the run: `client-host`, `server-pod`. */
  readonly key: string;
  readonly node: ClusterNode;
  readonly kind: 'generator' | 'server';
  readonly hostNetwork: boolean;
  /** Where its nginx listens; null for a generator. */
  readonly port: number | null;
  readonly cpus: CpuShare;
}

/** The CPUs of a pod's load container. */
export interface CpuShare {
  /** Whole CPUs, with guaranteed QoS; null where they do not fit: burstable QoS. */
  readonly guaranteed: number | null;
  /** What a burstable pod requests: its weight where others compete. */
  readonly requested: number;
}

/** The pods between which a network is measured. */
export interface PodPair {
  readonly client: string;
  readonly server: string;
}

/** The pods of a network; those of the reference's second set-up when `control`. */
export const pairOf = ({ client, server, onOneNode }: PodNetwork, control: boolean): PodPair => ({
  client: `client-${client}${control ? '-control' : ''}`,
  server: `${onOneNode ? 'near' : 'server'}-${server}${control ? '-control' : ''}`,
});

/** Above 1024, below the ranges of ephemeral ports and NodePorts. */
export const POD_PORT = 8080;
const [FIRST_HOST_PORT, HOST_PORTS] = [20_000, 9_000];

/** Ports of the node for hostNetwork servers, drawn from the run's id so that two runs rarely meet. */
const hostPort = (run: string, index: number): number =>
  FIRST_HOST_PORT +
  ((Array.from(run).reduce((sum, letter) => (sum * 36 + parseInt(letter, 36)) % HOST_PORTS, 7) + index) %
    HOST_PORTS);

/**
 * Plans the pods that some networks need: one generator and one server for each way of attachment, and two more of the reference
 * for its control.
 */
export function planPods(
  run: string,
  networks: readonly PodNetwork[],
  references: readonly string[],
  nodes: { readonly client: ClusterNode; readonly server: ClusterNode },
  cpus: { readonly client: CpuShare; readonly server: CpuShare },
): readonly PodPlan[] {
  const pods = new Map<string, PodPlan>();
  for (const network of networks)
    for (const control of references.includes(network.name) ? [false, true] : [false]) {
      const { client, server } = pairOf(network, control);
      const add = (key: string, plan: Omit<PodPlan, 'key'>): void => {
        if (!pods.has(key)) pods.set(key, { key, ...plan });
      };
      add(client, {
        node: nodes.client,
        kind: 'generator',
        hostNetwork: network.client === 'host',
        port: null,
        cpus: cpus.client,
      });
      const hostNetwork = network.server === 'host';
      add(server, {
        node: network.onOneNode ? nodes.client : nodes.server,
        kind: 'server',
        hostNetwork,
        port: hostNetwork ? hostPort(run, pods.size) : POD_PORT,
        cpus: network.onOneNode ? cpus.client : cpus.server,
      });
    }
  return [...pods.values()];
}

export const RUN_LABEL = 'barewire.run';
const POD_LABEL = 'barewire.pod';
export const MANAGED_BY = { 'app.kubernetes.io/managed-by': 'barewire' } as const;

export const ownerName = (run: string): string => `barewire-${run}`;
export const podName = (run: string, key: string): string => `barewire-${run}-${key}`;
export const labelsOf = (run: string, key?: string) => ({
  ...MANAGED_BY,
  [RUN_LABEL]: run,
  ...(key === undefined ? {} : { [POD_LABEL]: key }),
});
