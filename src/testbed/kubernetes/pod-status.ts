import { setTimeout as pause } from 'node:timers/promises';
import * as z from 'zod';
import { machineError, type BarewireError } from '../../schema/index.js';
import type { Kubectl } from './kubectl.js';
import { podListSchema, podSchema, type ClusterPod } from './objects.js';
import { RUN_LABEL } from './pods.js';

const POLL_MS = 100;
/** A condition that may pass: a registry that times out once, a cluster that adds a node. */
export const FAULT_PATIENCE_MS = 6_000;
/** Pulling images over a slow link. */
export const START_LIMIT_MS = 300_000;

/** Why a pod does not start, in the cluster's own words; null while nothing is wrong. */
interface PodFault {
  readonly pod: string;
  readonly reason: string;
  readonly message: string;
  /** It cannot pass: the pod has ended. */
  readonly final: boolean;
}

const WAITING_FAULTS =
  /^(?:ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull|CreateContainerConfigError|CreateContainerError|RunContainerError|CrashLoopBackOff|ImageInspectError|RegistryUnavailable)$/;

export function findFault({ metadata: { name }, status }: ClusterPod): PodFault | null {
  const inits = new Set(status.initContainerStatuses?.map((container) => container.name));
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  const fault = (reason: string, message: string | undefined, final: boolean): PodFault => ({
    pod: name,
    reason,
    message: message ?? '',
    final,
  });
  if (status.phase === 'Failed' || status.phase === 'Succeeded') {
    const ended = containers.filter(({ state }) => state?.terminated !== undefined);
    // The others are stopped because of it.
    const first = ended.find(({ state }) => state?.terminated?.exitCode !== 0) ?? ended[0];
    const { reason, message, exitCode } = first?.state?.terminated ?? {};
    return fault(
      status.reason ?? reason ?? status.phase,
      status.message ??
        message ??
        (first === undefined ? '' : `${first.name} exited with status ${exitCode}`),
      true,
    );
  }
  for (const { name: container, state } of containers) {
    // Init containers, which webhooks add, end by themselves.
    if (state?.terminated !== undefined && !(inits.has(container) && state.terminated.exitCode === 0))
      return fault(
        state.terminated.reason ?? 'Terminated',
        state.terminated.message ?? `${container} exited with status ${state.terminated.exitCode}`,
        true,
      );
    const { reason = '', message } = state?.waiting ?? {};
    if (WAITING_FAULTS.test(reason)) return fault(reason, message, reason === 'InvalidImageName');
  }
  const scheduled = status.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False')
    return fault(scheduled.reason ?? 'Unschedulable', scheduled.message, false);
  return null;
}

const HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /Image|Registry/,
    'Name images that the nodes can pull by --image-node and --image-nginx, and their secret by --image-pull-secret.',
  ],
  [/Unschedulable/, 'Name nodes with room by --nodes A,B, or use fewer networks at once.'],
  [/OOMKilled/, "Raise the namespace's memory limits (LimitRange), or use fewer connections."],
  [/Evicted|Preempt/, 'Choose nodes without memory or disk pressure by --nodes A,B.'],
];

export const podFailed = ({ pod, reason, message }: PodFault): BarewireError =>
  machineError(
    'pod-failed',
    `The pod ${pod} failed: ${reason}${message === '' ? '' : `: ${message}`}`,
    HINTS.find(([pattern]) => pattern.test(reason))?.[1] ?? `Run: kubectl describe pod ${pod}`,
  );

const eventList = z.object({
  items: z.array(
    z.object({ type: z.string().optional(), reason: z.string().optional(), message: z.string().optional() }),
  ),
});

/**
 * Waits until all pods of a run are running.
 *
 * @param options `onRunning` is called once for each pod, with its name
 *
 * @throws BarewireError `pod-failed` with the cluster's own reason within seconds, `timed-out` after five minutes; the signal's reason
 */
export async function waitForPods(
  kubectl: Kubectl,
  run: string,
  names: readonly string[],
  {
    signal,
    onRunning,
  }: { readonly signal?: AbortSignal | undefined; readonly onRunning?: (name: string) => void } = {},
): Promise<ReadonlyMap<string, ClusterPod>> {
  const started = performance.now();
  const faultySince = new Map<string, number>();
  const reported = new Set<string>();
  for (;;) {
    signal?.throwIfAborted();
    const { items } = await kubectl.json(['get', 'pods', '--selector', `${RUN_LABEL}=${run}`], podListSchema);
    const pods = new Map(items.map((pod) => [pod.metadata.name, pod]));
    const nowMs = performance.now();
    for (const pod of items) {
      const fault = findFault(pod);
      if (fault === null) faultySince.delete(pod.metadata.name);
      else {
        const since = faultySince.get(pod.metadata.name) ?? nowMs;
        faultySince.set(pod.metadata.name, since);
        if (fault.final || nowMs - since > FAULT_PATIENCE_MS) throw podFailed(fault);
      }
    }
    const waiting = names.filter((name) => !isRunning(pods.get(name)));
    for (const name of names)
      if (!waiting.includes(name) && !reported.has(name)) {
        reported.add(name);
        onRunning?.(name);
      }
    if (waiting.length === 0) return pods;
    if (nowMs - started > START_LIMIT_MS) throw await notReady(kubectl, waiting);
    await pause(POLL_MS);
  }
}

const isRunning = (pod: ClusterPod | undefined): boolean =>
  pod?.status.phase === 'Running' &&
  pod.status.containerStatuses?.every(({ state }) => state?.running !== undefined) === true;

async function notReady(kubectl: Kubectl, [first = '']: readonly string[]): Promise<BarewireError> {
  const events = await kubectl.jsonOrNull(
    ['get', 'events', '--field-selector', `involvedObject.name=${first}`],
    eventList,
  );
  const last = events?.items.at(-1);
  return machineError(
    'timed-out',
    `The pod ${first} did not start within ${START_LIMIT_MS / 1_000} s${last === undefined ? '' : `: ${last.reason ?? ''}: ${last.message ?? ''}`}`,
    `Run: kubectl describe pod ${first}`,
  );
}

/** A node reports the state of its containers every second or two. */
const STATUS_LIMIT_MS = 3_000;

/** What became of a pod whose agent was lost, for the error; empty when the cluster does not say. */
export async function lastWordsOf(kubectl: Kubectl, name: string): Promise<string> {
  const deadline = performance.now() + STATUS_LIMIT_MS;
  for (;;) {
    const words = await readLastWords(kubectl, name);
    if (words !== '' || performance.now() > deadline) return words;
    await pause(POLL_MS);
  }
}

async function readLastWords(kubectl: Kubectl, name: string): Promise<string> {
  const [settled] = await Promise.allSettled([
    kubectl.run(['get', 'pod', name, '--ignore-not-found', '-o', 'json']),
  ]);
  if (settled.status === 'rejected') return 'the API server does not respond';
  if (settled.value.code !== 0) return '';
  if (settled.value.stdout.trim() === '') return 'the pod was deleted';
  const pod = podSchema.parse(JSON.parse(settled.value.stdout));
  const fault = findFault(pod);
  const disrupted = pod.status.conditions?.find(
    ({ type, status }) => type === 'DisruptionTarget' && status === 'True',
  );
  if (disrupted !== undefined)
    return `the pod is being evicted: ${disrupted.message ?? disrupted.reason ?? ''}`;
  if (pod.metadata.deletionTimestamp !== undefined) return 'the pod is being deleted';
  return fault === null ? '' : `${fault.reason}: ${fault.message}`;
}
