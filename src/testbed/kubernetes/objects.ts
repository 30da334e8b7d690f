import * as z from 'zod';

/** The parts of Kubernetes objects that a study reads. Quantities are texts as the API has them. */
const metadata = z.object({
  name: z.string(),
  namespace: z.string().optional(),
  uid: z.string().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
const quantities = z.record(z.string(), z.string());
const condition = z.object({
  type: z.string(),
  status: z.string(),
  reason: z.string().optional(),
  message: z.string().optional(),
});
const taint = z.object({ key: z.string(), value: z.string().optional(), effect: z.string() });
export type Taint = z.infer<typeof taint>;

export const nodeSchema = z.object({
  metadata,
  spec: z.object({ unschedulable: z.boolean().optional(), taints: z.array(taint).optional() }).prefault({}),
  status: z.object({
    allocatable: quantities.prefault({}),
    conditions: z.array(condition).prefault([]),
    addresses: z.array(z.object({ type: z.string(), address: z.string() })).prefault([]),
    nodeInfo: z.object({
      architecture: z.string(),
      operatingSystem: z.string(),
      kernelVersion: z.string(),
      osImage: z.string(),
      containerRuntimeVersion: z.string(),
      kubeletVersion: z.string(),
    }),
  }),
});
export type ClusterNode = z.infer<typeof nodeSchema>;
export const nodeListSchema = z.object({ items: z.array(nodeSchema) });

const state = z.object({
  waiting: z.object({ reason: z.string().optional(), message: z.string().optional() }).optional(),
  running: z.object({}).optional(),
  terminated: z
    .object({ reason: z.string().optional(), message: z.string().optional(), exitCode: z.number() })
    .optional(),
});
const containerStatus = z.object({
  name: z.string(),
  ready: z.boolean().optional(),
  state: state.optional(),
});

export const podSchema = z.object({
  metadata: metadata.extend({ deletionTimestamp: z.string().optional() }),
  spec: z.object({
    nodeName: z.string().optional(),
    containers: z
      .array(
        z.object({
          image: z.string().optional(),
          resources: z.object({ requests: quantities.optional() }).optional(),
        }),
      )
      .prefault([]),
  }),
  status: z
    .object({
      phase: z.string().optional(),
      reason: z.string().optional(),
      message: z.string().optional(),
      podIP: z.string().optional(),
      hostIP: z.string().optional(),
      qosClass: z.string().optional(),
      conditions: z.array(condition).optional(),
      initContainerStatuses: z.array(containerStatus).optional(),
      containerStatuses: z.array(containerStatus).optional(),
    })
    .prefault({}),
});
export type ClusterPod = z.infer<typeof podSchema>;
export const podListSchema = z.object({ items: z.array(podSchema) });

/** Powers of ten, and of two. */
const DECIMAL: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const BINARY: Readonly<Record<string, number>> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 };
const QUANTITY = /^(?<digits>[+-]?(?:\d+\.?\d*|\.\d+))(?:[eE](?<exponent>[+-]?\d+)|(?<suffix>[A-Za-z]*))$/;

/** The number of CPUs, bytes or objects of a quantity: `1500m`, `16Gi`, `5k`, `1e9`. 0 where there is none. */
export function parseQuantity(text: string | undefined): number {
  const { digits, exponent, suffix = '' } = QUANTITY.exec(text ?? '')?.groups ?? {};
  if (digits === undefined) return 0;
  // Parsed as one number: a product with 0.001 would not be exact.
  return Number(`${digits}e${exponent ?? DECIMAL[suffix] ?? 0}`) * 2 ** (BINARY[suffix] ?? 0);
}

export const isControlPlane = ({ metadata: { labels = {} } }: ClusterNode): boolean =>
  Object.keys(labels).some((key) => /^node-role\.kubernetes\.io\/(?:control-plane|master)$/.test(key));

export const internalIp = ({ status }: ClusterNode, ip: 4 | 6): string | null =>
  status.addresses.find(({ type, address }) => type === 'InternalIP' && address.includes(':') === (ip === 6))
    ?.address ?? null;
