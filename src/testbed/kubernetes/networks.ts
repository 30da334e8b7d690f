import type { GivenNetwork } from '../../network/index.js';
import { bug } from '../../schema/index.js';
import type { NetworkTemplate, PodTemplate } from './pod-template.js';

/** How a network's client and server are placed, and which address the client requests. */
export interface PodNetwork extends GivenNetwork {
  /** The pod that sends, on the client's node, and the one that serves. */
  readonly client: 'host' | 'pod';
  readonly server: 'host' | 'pod';
  /** The server runs on the client's node. */
  readonly onOneNode: boolean;
  readonly to: 'pod' | 'service' | 'nodeport';
  /** In the names of its pods: networks with the same one share them. */
  readonly pods: string;
  /** Merged into its pods. */
  readonly template?: PodTemplate;
  /** Its client's node and its server's; absent: those of the study. */
  readonly nodes?: readonly [string, string];
  /** The interface of the server's pod whose address is requested; absent: the pod's own address. */
  readonly address?: string;
}

type Kind = Omit<PodNetwork, 'kind' | 'name' | 'what' | 'pods' | 'server'>;

const network = (name: string, what: string, rest: Kind): PodNetwork => ({
  kind: 'given',
  name,
  what,
  ...rest,
  server: rest.client,
  pods: rest.client,
});

/** What every cluster offers: each network across nodes and on one node. */
export const POD_NETWORKS: readonly PodNetwork[] = [
  network('host', 'hostNetwork pods on two nodes', { onOneNode: false, client: 'host', to: 'pod' }),
  network('pod', "the cluster's CNI, from pod to pod on two nodes", {
    onOneNode: false,
    client: 'pod',
    to: 'pod',
  }),
  network('service', 'a ClusterIP, from pod to pod on two nodes', {
    onOneNode: false,
    client: 'pod',
    to: 'service',
  }),
  network('nodeport', "a NodePort of the server's node, from pod to pod on two nodes", {
    onOneNode: false,
    client: 'pod',
    to: 'nodeport',
  }),
  network('host-local', 'hostNetwork pods on one node', { onOneNode: true, client: 'host', to: 'pod' }),
  network('pod-local', "the cluster's CNI, from pod to pod on one node", {
    onOneNode: true,
    client: 'pod',
    to: 'pod',
  }),
  network('service-local', 'a ClusterIP, from pod to pod on one node', {
    onOneNode: true,
    client: 'pod',
    to: 'service',
  }),
];

/** Whether a spec describes it. */
export const isDescribed = ({ name }: PodNetwork): boolean => !POD_NETWORKS.some((one) => one.name === name);

export function requireNetwork(networks: readonly PodNetwork[], name: string): PodNetwork {
  const found = networks.find((one) => one.name === name);
  if (found === undefined) throw bug(`the cluster has no network ${name}`);
  return found;
}

/** Whether two networks run on the same nodes, so that one can be the reference of the other. */
export const sharesNodes = (one: PodNetwork, other: PodNetwork): boolean =>
  one.onOneNode === other.onOneNode && one.nodes?.join() === other.nodes?.join();

/**
 * A network that a spec describes. It shares the pods of an earlier one with the same template on the same nodes, as a Service
 * shares those of the pod network.
 */
export function networkOf(
  name: string,
  { like, pod, nodes, address }: NetworkTemplate,
  earlier: readonly PodNetwork[],
): PodNetwork {
  const base = requireNetwork(POD_NETWORKS, like);
  const isPlain = pod === undefined && nodes === undefined;
  const identity = JSON.stringify([base.client, pod, nodes]);
  const twin = isPlain
    ? undefined
    : earlier.find((one) => JSON.stringify([one.client, one.template, one.nodes]) === identity);
  return {
    ...base,
    name,
    what: describeTemplate({ like, pod, nodes, address }),
    pods: twin?.pods ?? name,
    ...(pod === undefined ? {} : { template: pod }),
    ...(nodes === undefined ? {} : { nodes }),
    ...(address === undefined ? {} : { address }),
  };
}

/** `like pod, runtimeClassName fast, on c and d`. */
function describeTemplate({ like, pod, nodes, address }: NetworkTemplate): string {
  const { metadata = {}, spec = {} } = pod ?? {};
  return [
    `like ${like}`,
    ...Object.entries(metadata.annotations ?? {}).map(([key, value]) => `annotation ${key}=${value}`),
    ...Object.entries(metadata.labels ?? {}).map(([key, value]) => `label ${key}=${value}`),
    ...Object.entries(spec).map(
      ([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
    ),
    ...(address === undefined ? [] : [`address of ${address}`]),
    ...(nodes === undefined ? [] : [`on ${nodes.join(' and ')}`]),
  ].join(', ');
}
