import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import * as z from 'zod';
import { identify, isAlive } from '../../machine/index.js';
import { machineError } from '../../schema/index.js';
import type { EndedRun } from '../types.js';
import { refused, type Kubectl } from './kubectl.js';
import { podListSchema } from './objects.js';
import { type KubernetesObject, type OwnerFacts } from './pod-objects.js';
import { MANAGED_BY, ownerName, RUN_LABEL } from './pods.js';

/** When its study last renewed it, UTC. */
const RENEWED = 'barewire.io/renewed';
const RENEW_EACH_MS = 60_000;
/** A run whose owner was not renewed for longer is dead. */
const DEAD_AFTER_MS = 5 * 60_000;
const GONE_LIMIT_MS = 60_000;
const POLL_MS = 150;

const createdSchema = z.object({ metadata: z.object({ uid: z.string() }) });

export const ownFacts = (): OwnerFacts => ({
  startedAt: new Date().toISOString(),
  host: hostname(),
  pid: process.pid,
  startTime: identify(process.pid)?.startTime ?? null,
});

/** Creates a run's owner, and renews it until it is disposed of. Disposing deletes it with all that it owns. */
export async function createOwner(
  kubectl: Kubectl,
  run: string,
  object: KubernetesObject,
): Promise<AsyncDisposable & { readonly uid: string }> {
  const { metadata } = await kubectl.json(['create', '-f', '-'], createdSchema, JSON.stringify(object));
  const renewing = setInterval(() => {
    const value = `${RENEWED}=${new Date().toISOString()}`;
    // The next one renews it too.
    kubectl.run(['annotate', '--overwrite', 'configmap', ownerName(run), value]).catch(() => undefined);
  }, RENEW_EACH_MS).unref();
  return {
    uid: metadata.uid,
    [Symbol.asyncDispose]: async () => {
      clearInterval(renewing);
      await deleteRun(kubectl, run);
    },
  };
}

/**
 * Deletes a run's owner. The cluster's garbage collector deletes the rest.
 *
 * @throws BarewireError `undo-failed` when pods are left after a minute
 */
async function deleteRun(kubectl: Kubectl, run: string): Promise<void> {
  const args = ['delete', 'configmap', ownerName(run), '--ignore-not-found', '--wait=false'];
  const { code, stderr } = await kubectl.run(args);
  if (code !== 0) throw refused(args, stderr);
  const deadline = performance.now() + GONE_LIMIT_MS;
  for (;;) {
    const { items } = await kubectl.json(['get', 'pods', '--selector', `${RUN_LABEL}=${run}`], podListSchema);
    if (items.length === 0) return;
    if (performance.now() > deadline)
      throw machineError(
        'undo-failed',
        `${items.length} pods of run ${run} still exist ${GONE_LIMIT_MS / 1_000} s after their owner was deleted.`,
        `Check whether the garbage collector and the nodes work: kubectl get pods --selector ${RUN_LABEL}=${run}`,
      );
    await pause(POLL_MS);
  }
}

const ownerList = z.object({
  items: z.array(
    z.object({
      metadata: z.object({
        name: z.string(),
        namespace: z.string(),
        creationTimestamp: z.string(),
        annotations: z.record(z.string(), z.string()).optional(),
        labels: z.record(z.string(), z.string()).prefault({}),
      }),
      data: z.record(z.string(), z.string()).prefault({}),
    }),
  ),
});
type Owner = z.infer<typeof ownerList>['items'][number];

/**
 * Deletes the owners of dead runs in the namespace: those whose process on this machine has ended, and those of other machines
 * that were not renewed for five minutes. Running ones stay.
 */
export async function deleteDeadRuns(kubectl: Kubectl): Promise<readonly EndedRun[]> {
  const selector = Object.entries(MANAGED_BY)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const { items } = await kubectl.json(['get', 'configmaps', '--selector', selector], ownerList);
  const dead = items.flatMap((owner) => {
    const run = owner.metadata.labels[RUN_LABEL];
    return run === undefined || owner.metadata.name !== ownerName(run) || !isDead(owner, Date.now())
      ? []
      : [{ run, place: `namespace ${owner.metadata.namespace}`, since: owner.data['startedAt'] ?? '' }];
  });
  for (const { run } of dead) await deleteRun(kubectl, run);
  return dead;
}

function isDead({ metadata, data }: Owner, nowMs: number): boolean {
  const pid = Number(data['pid']);
  if (data['host'] === hostname() && pid > 1) return !isRunning(pid, Number(data['startTime'] ?? ''));
  const renewed = Date.parse(metadata.annotations?.[RENEWED] ?? metadata.creationTimestamp);
  return nowMs - renewed > DEAD_AFTER_MS;
}

function isRunning(pid: number, startTime: number): boolean {
  if (startTime > 0) return isAlive({ pid, startTime });
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
