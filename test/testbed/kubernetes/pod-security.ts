import * as z from 'zod';

const capabilities = z.object({ add: z.array(z.string()).optional(), drop: z.array(z.string()).optional() });
const seccomp = z.object({ type: z.string() });
const securityContext = z.object({
  privileged: z.boolean().optional(),
  allowPrivilegeEscalation: z.boolean().optional(),
  runAsNonRoot: z.boolean().optional(),
  runAsUser: z.number().optional(),
  capabilities: capabilities.optional(),
  seccompProfile: seccomp.optional(),
  appArmorProfile: seccomp.optional(),
  seLinuxOptions: z.unknown().optional(),
  procMount: z.string().optional(),
  windowsOptions: z.unknown().optional(),
  sysctls: z.array(z.unknown()).optional(),
});
const container = z.object({
  name: z.string(),
  securityContext: securityContext.prefault({}),
  ports: z.array(z.object({ hostPort: z.number().optional() })).optional(),
});
const podShape = z.object({
  spec: z.object({
    hostNetwork: z.boolean().optional(),
    hostPID: z.boolean().optional(),
    hostIPC: z.boolean().optional(),
    securityContext: securityContext.prefault({}),
    containers: z.array(container),
    initContainers: z.array(container).optional(),
    ephemeralContainers: z.array(container).optional(),
    volumes: z.array(z.record(z.string(), z.unknown())).optional(),
  }),
});

const VOLUMES = [
  ...['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'persistentVolumeClaim', 'projected'],
  'secret',
];

/**
 * What the level `restricted` of the Pod Security Standard forbids in a pod, the level `baseline` included, by the names that the
 * admission controller prints. https://kubernetes.io/docs/concepts/security/pod-security-standards/
 */
export function findViolations(pod: unknown): string[] {
  const { spec } = podShape.parse(pod);
  const containers = [
    ...(spec.initContainers ?? []),
    ...spec.containers,
    ...(spec.ephemeralContainers ?? []),
  ];
  const contexts = [spec.securityContext, ...containers.map((one) => one.securityContext)];
  const everyContainer = (holds: (context: z.infer<typeof securityContext>) => boolean): boolean =>
    containers.every((one) => holds(one.securityContext));
  const rules: readonly (readonly [string, boolean])[] = [
    // baseline
    ['host namespaces (hostNetwork)', spec.hostNetwork !== true],
    ['host namespaces (hostPID)', spec.hostPID !== true],
    ['host namespaces (hostIPC)', spec.hostIPC !== true],
    ['privileged', everyContainer(({ privileged }) => privileged !== true)],
    ['hostPort', containers.every(({ ports }) => (ports ?? []).every(({ hostPort = 0 }) => hostPort === 0))],
    ['appArmorProfile', contexts.every(({ appArmorProfile }) => appArmorProfile?.type !== 'Unconfined')],
    ['seLinuxOptions', contexts.every(({ seLinuxOptions }) => seLinuxOptions === undefined)],
    ['procMount', everyContainer(({ procMount }) => procMount === undefined || procMount === 'Default')],
    ['sysctls', (spec.securityContext.sysctls ?? []).length === 0],
    ['hostProcess', contexts.every(({ windowsOptions }) => windowsOptions === undefined)],
    // restricted
    [
      'restricted volume types',
      (spec.volumes ?? []).every((volume) =>
        Object.keys(volume).every((key) => key === 'name' || VOLUMES.includes(key)),
      ),
    ],
    [
      'allowPrivilegeEscalation != false',
      everyContainer(({ allowPrivilegeEscalation }) => allowPrivilegeEscalation === false),
    ],
    [
      'runAsNonRoot != true',
      everyContainer(({ runAsNonRoot }) => (runAsNonRoot ?? spec.securityContext.runAsNonRoot) === true),
    ],
    ['runAsUser=0', contexts.every(({ runAsUser }) => runAsUser !== 0)],
    [
      'seccompProfile',
      everyContainer(({ seccompProfile }) =>
        ['RuntimeDefault', 'Localhost'].includes(
          (seccompProfile ?? spec.securityContext.seccompProfile)?.type ?? '',
        ),
      ),
    ],
    [
      'unrestricted capabilities',
      everyContainer(
        ({ capabilities: { drop = [], add = [] } = {} }) =>
          drop.includes('ALL') && add.every((name) => name === 'NET_BIND_SERVICE'),
      ),
    ],
  ];
  return rules.flatMap(([name, holds]) => (holds ? [] : [name]));
}
