import * as z from 'zod';
import { machineError } from '../../schema/index.js';
import type { Kubectl } from './kubectl.js';
import { parseQuantity } from './objects.js';
import type { KubernetesObject } from './pod-objects.js';

const quantities = z.record(z.string(), z.string()).optional();
export const quotaListSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      spec: z
        .object({
          scopes: z.array(z.string()).optional(),
          scopeSelector: z
            .object({ matchExpressions: z.array(z.object({ scopeName: z.string() })).optional() })
            .optional(),
        })
        .prefault({}),
      status: z.object({ hard: quantities, used: quantities }).prefault({}),
    }),
  ),
});
type Quota = z.infer<typeof quotaListSchema>['items'][number];

const podShape = z.object({
  kind: z.literal('Pod'),
  spec: z.object({
    containers: z.array(z.object({ resources: z.object({ requests: quantities, limits: quantities }) })),
  }),
});
const serviceShape = z.object({ kind: z.literal('Service'), spec: z.object({ type: z.string() }) });

/** What a quota leaves too little of. */
export interface Shortage {
  readonly quota: string;
  /** As quotas name it: `requests.cpu`, `pods`. */
  readonly resource: string;
  readonly left: number;
  readonly needed: number;
}

/** Scopes of a quota that pods of a study have: they request CPU, and run until they are deleted. */
const OWN_SCOPES = ['NotBestEffort', 'NotTerminating'];

/** The first resource of which the quotas leave less than all objects need together. */
export function findShortage(
  quotas: readonly Quota[],
  objects: readonly KubernetesObject[],
): Shortage | null {
  const needs = sumNeeds(objects);
  for (const { metadata, spec, status } of quotas) {
    const scopes = [
      ...(spec.scopes ?? []),
      ...(spec.scopeSelector?.matchExpressions ?? []).map(({ scopeName }) => scopeName),
    ];
    if (!scopes.every((scope) => OWN_SCOPES.includes(scope))) continue;
    for (const [resource, hard] of Object.entries(status.hard ?? {})) {
      const needed = needs[resource] ?? 0;
      const left = Math.round((parseQuantity(hard) - parseQuantity(status.used?.[resource])) * 1e3) / 1e3;
      // A quota that is exceeded already concerns no study that needs nothing of it.
      if (needed > 0 && needed > left) return { quota: metadata.name, resource, left, needed };
    }
  }
  return null;
}

function sumNeeds(objects: readonly KubernetesObject[]): Readonly<Record<string, number>> {
  const pods = objects.flatMap((object) => podShape.safeParse(object).data ?? []);
  const services = objects.flatMap((object) => serviceShape.safeParse(object).data ?? []);
  // Whole thousandths: a sum of 0.05s must not exceed a quota that has just enough.
  const sum = (kind: 'requests' | 'limits', resource: 'cpu' | 'memory'): number =>
    pods
      .flatMap(({ spec }) => spec.containers)
      .reduce(
        (total, { resources }) => total + Math.round(parseQuantity(resources[kind]?.[resource]) * 1e3),
        0,
      ) / 1e3;
  return {
    pods: pods.length,
    'count/pods': pods.length,
    services: services.length,
    'count/services': services.length,
    'services.nodeports': services.filter(({ spec }) => spec.type === 'NodePort').length,
    cpu: sum('requests', 'cpu'),
    'requests.cpu': sum('requests', 'cpu'),
    'limits.cpu': sum('limits', 'cpu'),
    memory: sum('requests', 'memory'),
    'requests.memory': sum('requests', 'memory'),
    'limits.memory': sum('limits', 'memory'),
  };
}

/**
 * Checks the sum of all objects against the quotas of the namespace, which the API server's dry run checks for each object alone.
 *
 * @throws BarewireError `cluster-refused` with the quota, what is left and what is needed
 */
export async function requireQuota(kubectl: Kubectl, objects: readonly KubernetesObject[]): Promise<void> {
  const quotas = await kubectl.jsonOrNull(['get', 'resourcequotas'], quotaListSchema);
  const shortage = findShortage(quotas?.items ?? [], objects);
  if (shortage === null) return;
  const { quota, resource, left, needed } = shortage;
  throw machineError(
    'cluster-refused',
    `The quota ${quota} of the namespace leaves ${print(resource, left)} of ${resource}; the study needs ${print(resource, needed)}.`,
    'Measure fewer networks at once, use another namespace by --namespace, or raise the quota.',
  );
}

const print = (resource: string, value: number): string =>
  resource.includes('memory') ? `${Math.round(value / 2 ** 20)}Mi` : String(value);
