import type { GivenNetwork } from '../../network/index.js';
import { bug } from '../../schema/index.js';

/** How a network's client and server are placed, and which address the client requests. */
export interface PodNetwork extends GivenNetwork {
  /** The reference of its ratios. */
  readonly reference: 'host' | 'host-local';
  /** The pod that sends, on the client's node, and the one that serves. */
  readonly client: 'host' | 'pod';
  readonly server: 'host' | 'pod';
  /** The server runs on the client's node. */
  readonly onOneNode: boolean;
  readonly to: 'pod' | 'service' | 'nodeport';
}

const network = (
  name: string,
  what: string,
  rest: Omit<PodNetwork, 'kind' | 'name' | 'what'>,
): PodNetwork => ({
  kind: 'given',
  name,
  what,
  ...rest,
});

const across = { reference: 'host', onOneNode: false } as const;
const near = { reference: 'host-local', onOneNode: true } as const;

/** What every cluster offers: each network across nodes and on one node. */
export const POD_NETWORKS: readonly PodNetwork[] = [
  network('host', 'hostNetwork pods on two nodes', { ...across, client: 'host', server: 'host', to: 'pod' }),
  network('pod', "the cluster's CNI, from pod to pod on two nodes", {
    ...across,
    client: 'pod',
    server: 'pod',
    to: 'pod',
  }),
  network('service', 'a ClusterIP, from pod to pod on two nodes', {
    ...across,
    client: 'pod',
    server: 'pod',
    to: 'service',
  }),
  network('nodeport', "a NodePort of the server's node, from pod to pod on two nodes", {
    ...across,
    client: 'pod',
    server: 'pod',
    to: 'nodeport',
  }),
  network('host-local', 'hostNetwork pods on one node', {
    ...near,
    client: 'host',
    server: 'host',
    to: 'pod',
  }),
  network('pod-local', "the cluster's CNI, from pod to pod on one node", {
    ...near,
    client: 'pod',
    server: 'pod',
    to: 'pod',
  }),
  network('service-local', 'a ClusterIP, from pod to pod on one node', {
    ...near,
    client: 'pod',
    server: 'pod',
    to: 'service',
  }),
];

export const findPodNetwork = (name: string): PodNetwork | undefined =>
  POD_NETWORKS.find((one) => one.name === name);

export function requireNetwork(name: string): PodNetwork {
  const found = findPodNetwork(name);
  if (found === undefined) throw bug(`a cluster has no network ${name}`);
  return found;
}
