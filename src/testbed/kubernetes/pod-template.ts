import * as z from 'zod';

const texts = z.record(z.string(), z.string('write text: numbers and true or false need quotes'));
const metadataTemplate = z.strictObject({ labels: texts.optional(), annotations: texts.optional() });
const toleration = z.strictObject({
  key: z.string().optional(),
  operator: z.enum(['Equal', 'Exists']).optional(),
  value: z.string().optional(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional(),
  tolerationSeconds: z.number().int().optional(),
});
const securityTemplate = z.strictObject({
  sysctls: z.array(z.strictObject({ name: z.string(), value: z.string() })).optional(),
});
const specTemplate = z.strictObject({
  runtimeClassName: z.string().min(1).optional(),
  nodeSelector: texts.optional(),
  tolerations: z.array(toleration).optional(),
  dnsPolicy: z.enum(['Default', 'ClusterFirst', 'ClusterFirstWithHostNet', 'None']).optional(),
  dnsConfig: z.looseObject({}).optional(),
  hostAliases: z.array(z.strictObject({ ip: z.string(), hostnames: z.array(z.string()) })).optional(),
  priorityClassName: z.string().min(1).optional(),
  schedulerName: z.string().min(1).optional(),
  serviceAccountName: z.string().min(1).optional(),
  securityContext: securityTemplate.optional(),
});
const podTemplateSchema = z.strictObject({
  metadata: metadataTemplate.optional(),
  spec: specTemplate.optional(),
});

/** The part of a Pod that a network may set, as the Kubernetes API names it. */
export type PodTemplate = z.infer<typeof podTemplateSchema>;

/** The networks whose pods a template changes. */
const LIKE = ['pod', 'service', 'nodeport', 'pod-local', 'service-local', 'host', 'host-local'] as const;

export const networkTemplateSchema = z.strictObject({
  /** The network that it is otherwise. */
  like: z.enum(LIKE).default('pod'),
  /** Merged into its pods, client and server. */
  pod: podTemplateSchema.optional(),
  /** Its client's node and its server's; those of the study by default. */
  nodes: z.tuple([z.string().min(1), z.string().min(1)], 'name two nodes: [client, server]').optional(),
  /** The interface of the server's pod whose address is requested; by default the address is the pod's own. */
  address: z
    .string()
    .regex(/^[^\s/:]{1,15}$/, 'write the name of an interface in the pod: net1')
    .optional(),
});
export type NetworkTemplate = z.infer<typeof networkTemplateSchema>;

/** The keys of each object of a template, for "Did you mean …". */
export const TEMPLATE_KEYS: Readonly<Record<string, readonly string[]>> = {
  '': ['name', ...Object.keys(networkTemplateSchema.shape)],
  pod: Object.keys(podTemplateSchema.shape),
  'pod.metadata': Object.keys(metadataTemplate.shape),
  'pod.spec': Object.keys(specTemplate.shape),
  'pod.spec.securityContext': Object.keys(securityTemplate.shape),
  'pod.spec.tolerations': Object.keys(toleration.shape),
};

const OWN_CONTAINERS =
  'Omit it: the containers are the generator and nginx, as in every other pod of the study.';
const OWN_NAME = 'Omit it: each run names and owns its pods, and deletes them at its end.';
const RESTRICTED =
  'Omit it: pods of a study meet the Pod Security level restricted and are never privileged.';

/** Keys of a Pod that a template may not set, and what to do instead. */
export const RESERVED_KEYS: Readonly<Record<string, string>> = {
  'pod.metadata.name': OWN_NAME,
  'pod.metadata.generateName': OWN_NAME,
  'pod.metadata.namespace': 'Use the key namespace of the spec, or --namespace.',
  'pod.metadata.ownerReferences': OWN_NAME,
  'pod.metadata.finalizers': OWN_NAME,
  'pod.spec.containers': OWN_CONTAINERS,
  'pod.spec.initContainers': OWN_CONTAINERS,
  'pod.spec.ephemeralContainers': OWN_CONTAINERS,
  'pod.spec.volumes': OWN_CONTAINERS,
  'pod.spec.restartPolicy': 'Omit it: a study creates its pods anew in each restart.',
  'pod.spec.hostNetwork': 'Use like: host, which measures hostNetwork pods.',
  'pod.spec.hostPID': RESTRICTED,
  'pod.spec.hostIPC': RESTRICTED,
  'pod.spec.hostUsers': RESTRICTED,
  'pod.spec.privileged': RESTRICTED,
  'pod.spec.securityContext.privileged': RESTRICTED,
  'pod.spec.securityContext.runAsUser': RESTRICTED,
  'pod.spec.securityContext.runAsNonRoot': RESTRICTED,
  'pod.spec.securityContext.seccompProfile': RESTRICTED,
  'pod.spec.nodeName': 'Use nodes: [CLIENT, SERVER] beside pod.',
  'pod.spec.affinity': 'Use nodes: [CLIENT, SERVER] beside pod.',
  'pod.spec.imagePullSecrets': 'Use the key imagePullSecret of the spec, or --image-pull-secret.',
};

/** Labels by which a run finds its own objects. */
export const isReservedLabel = (key: string): boolean =>
  key.startsWith('barewire.') || key === 'app.kubernetes.io/managed-by';

interface TemplatedPod {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly securityContext: object;
    readonly tolerations: readonly unknown[];
  };
}

/** Merges a template into a pod. The pod's own labels, security context and tolerations stay. */
export function applyTemplate<Pod extends TemplatedPod>(pod: Pod, template: PodTemplate = {}): Pod {
  const { metadata = {}, spec = {} } = template;
  const { securityContext = {}, tolerations = [], ...rest } = spec;
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      labels: { ...metadata.labels, ...pod.metadata.labels },
      ...(metadata.annotations === undefined ? {} : { annotations: metadata.annotations }),
    },
    spec: {
      ...pod.spec,
      ...rest,
      securityContext: { ...securityContext, ...pod.spec.securityContext },
      tolerations: [...pod.spec.tolerations, ...tolerations],
    },
  };
}
