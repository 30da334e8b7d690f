import { readlinkSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import * as z from 'zod';
import { readBootId } from '../../linux/index.js';
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
export const DEAD_AFTER_MS = 5 * 60_000;
const GONE_LIMIT_MS = 60_000;
const POLL_MS = 150;

const createdSchema = z.object({ metadata: z.object({ uid: z.string() }) });

/**
 * Identifies where the pid of a run counts. Machines share host names, so that the boot and the namespace of pids are part of it;
 * on another system than Linux the addresses of its interfaces.
 */
function identifyHost(): string {
  if (process.platform === 'linux')
    return [hostname(), readBootId(), readlinkSync('/proc/self/ns/pid')].join(' ');
  const macs = Object.values(networkInterfaces()).flatMap((links) => (links ?? []).map(({ mac }) => mac));
  return [hostname(), ...new Set(macs.toSorted())].join(' ');
}

export const ownFacts = (): OwnerFacts => ({
  startedAt: new Date().toISOString(),
  host: identifyHost(),
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
  const here = { host: identifyHost(), nowMs: Date.now(), stateOf };
  const dead = items.flatMap((owner) => {
    const run = owner.metadata.labels[RUN_LABEL];
    return run === undefined || owner.metadata.name !== ownerName(run) || !isDead(owner, here)
      ? []
      : [{ run, place: `namespace ${owner.metadata.namespace}`, since: owner.data['startedAt'] ?? '' }];
  });
  for (const { run } of dead) await deleteRun(kubectl, run);
  return dead;
}

/** Of a process of this machine; `unknown` where another one may have its pid. */
type ProcessState = 'running' | 'ended' | 'unknown';

/** From where a run is judged. */
interface Observer {
  readonly host: string;
  readonly nowMs: number;
  readonly stateOf: (pid: number, startTime: number) => ProcessState;
}

/** True for a run whose study has ended without deleting it. */
export function isDead({ metadata, data }: Owner, { host, nowMs, stateOf: read }: Observer): boolean {
  const renewed = Date.parse(metadata.annotations?.[RENEWED] ?? metadata.creationTimestamp);
  const isStale = nowMs - renewed > DEAD_AFTER_MS;
  const pid = Number(data['pid']);
  if (data['host'] !== host || !(pid > 0)) return isStale;
  const state = read(pid, Number(data['startTime'] ?? ''));
  return state === 'ended' || (state === 'unknown' && isStale);
}

export function stateOf(pid: number, startTime: number): ProcessState {
  if (startTime > 0) return isAlive({ pid, startTime }) ? 'running' : 'ended';
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return 'ended';
  }
  return 'unknown';
}
