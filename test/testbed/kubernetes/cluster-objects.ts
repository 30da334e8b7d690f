import {
  nodeSchema,
  podSchema,
  type ClusterNode,
  type ClusterPod,
} from '../../../src/testbed/kubernetes/objects.js';

export interface NodeTraits {
  readonly cpu?: string;
  readonly memory?: string;
  readonly architecture?: string;
  readonly operatingSystem?: string;
  readonly ready?: 'True' | 'False' | 'Unknown';
  readonly cordoned?: boolean;
  readonly taints?: readonly { readonly key: string; readonly value?: string; readonly effect: string }[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly addresses?: readonly string[];
}

/** A node as `kubectl get nodes -o json` prints it: ready, with 4 CPUs, unless the traits differ. */
export const nodeOf = (name: string, traits: NodeTraits = {}): ClusterNode =>
  nodeSchema.parse({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: { 'kubernetes.io/hostname': name, ...traits.labels },
      ...(traits.annotations === undefined ? {} : { annotations: traits.annotations }),
    },
    spec: {
      podCIDR: '10.244.0.0/24',
      ...(traits.cordoned === true ? { unschedulable: true } : {}),
      ...(traits.taints === undefined ? {} : { taints: traits.taints }),
    },
    status: {
      allocatable: { cpu: traits.cpu ?? '4', memory: traits.memory ?? '8Gi', pods: '110' },
      conditions: [
        { type: 'MemoryPressure', status: 'False' },
        { type: 'Ready', status: traits.ready ?? 'True', reason: 'KubeletReady' },
      ],
      addresses: (traits.addresses ?? ['10.0.0.1']).map((address) => ({ type: 'InternalIP', address })),
      nodeInfo: {
        architecture: traits.architecture ?? 'amd64',
        operatingSystem: traits.operatingSystem ?? 'linux',
        kernelVersion: '6.12.0',
        osImage: 'Debian GNU/Linux 13',
        containerRuntimeVersion: 'containerd://2.1.0',
        kubeletVersion: 'v1.34.4',
      },
    },
  });

/** A pod of others, with containers of these images or requests. */
export const podOf = (
  name: string,
  containers: readonly { readonly image?: string; readonly cpu?: string }[],
): ClusterPod =>
  podSchema.parse({
    metadata: { name, namespace: 'kube-system' },
    spec: {
      containers: containers.map(({ image, cpu }) => ({
        image,
        resources: cpu === undefined ? {} : { requests: { cpu } },
      })),
    },
    status: { phase: 'Running' },
  });
