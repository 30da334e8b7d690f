import type { Api } from './api.js';

interface NodeStatus {
  readonly spec: { readonly taints?: readonly { readonly key: string }[] };
  readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

const NAMESPACES = ['default', 'kube-node-lease', 'kube-public', 'kube-system'];
/** What controllers and kubelets create some time after the API server is ready. */
const LATE = [
  ...NAMESPACES.flatMap((name) => [`ConfigMap/${name}/kube-root-ca.crt`, `ServiceAccount/${name}/default`]),
  'ConfigMap/kube-system/kube-apiserver-legacy-service-account-token-tracking',
];

/** Whether both nodes accept pods, and every object exists that a cluster creates by itself. */
export async function isComplete(api: Api): Promise<boolean> {
  const nodes = await api.get<{ readonly items: readonly NodeStatus[] }>('/api/v1/nodes');
  const ready = nodes.items.every(
    ({ spec, status }) =>
      status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true &&
      spec.taints?.some(({ key }) => key === 'node.kubernetes.io/not-ready') !== true,
  );
  if (!ready) return false;
  const objects = new Set(await api.listObjects());
  return LATE.every((name) => objects.has(name));
}
