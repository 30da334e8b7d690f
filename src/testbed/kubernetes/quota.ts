import * as z from 'zod';
import { machineError } from '../../schema/index.js';
import type { Kubectl } from './kubectl.js';
import { parseBytes, parseCpus } from './objects.js';
import type { KubernetesObject } from './pod-objects.js';

const quantities = z.record(z.string(), z.string()).optional();
const quotaList = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      status: z.object({ hard: quantities, used: quantities }).prefault({}),
    }),
  ),
});

const podShape = z.object({
  kind: z.literal('Pod'),
  spec: z.object({
    containers: z.array(z.object({ resources: z.object({ requests: quantities, limits: quantities }) })),
  }),
});

/**
 * Checks the sum of all pods against the quotas of the namespace, which the API server's dry run checks for each pod alone.
 *
 * @throws BarewireError `cluster-refused` with the quota, what is left and what is needed
 */
export async function requireQuota(kubectl: Kubectl, objects: readonly KubernetesObject[]): Promise<void> {
  const quotas = await kubectl.jsonOrNull(['get', 'resourcequotas'], quotaList);
  if (quotas === null || quotas.items.length === 0) return;
  const pods = objects.flatMap((object) => {
    const parsed = podShape.safeParse(object);
    return parsed.success ? [parsed.data] : [];
  });
  const sum = (kind: 'requests' | 'limits', resource: 'cpu' | 'memory'): number =>
    pods
      .flatMap(({ spec }) => spec.containers)
      .reduce((total, { resources }) => total + amount(resource, resources[kind]?.[resource]), 0);
  const needs: Readonly<Record<string, number>> = {
    pods: pods.length,
    'count/pods': pods.length,
    cpu: sum('requests', 'cpu'),
    'requests.cpu': sum('requests', 'cpu'),
    'limits.cpu': sum('limits', 'cpu'),
    memory: sum('requests', 'memory'),
    'requests.memory': sum('requests', 'memory'),
    'limits.memory': sum('limits', 'memory'),
  };
  for (const { metadata, status } of quotas.items)
    for (const [key, hard] of Object.entries(status.hard ?? {})) {
      const needed = needs[key] ?? 0;
      const left = amount(key, hard) - amount(key, status.used?.[key]);
      if (needed <= left) continue;
      throw machineError(
        'cluster-refused',
        `The quota ${metadata.name} of the namespace leaves ${print(key, left)} of ${key}; the study's ${pods.length} pods need ${print(key, needed)}.`,
        'Measure fewer networks at once, use another namespace by --namespace, or raise the quota.',
      );
    }
}

const amount = (resource: string, text: string | undefined): number =>
  text === undefined ? 0 : /memory|storage/.test(resource) ? parseBytes(text) : parseCpus(text);

const print = (resource: string, value: number): string =>
  resource.includes('memory')
    ? `${Math.round(value / 2 ** 20)}Mi`
    : String(Math.round(value * 1_000) / 1_000);
