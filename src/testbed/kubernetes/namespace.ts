import { setTimeout as pause } from 'node:timers/promises';
import { machineError } from '../../schema/index.js';
import type { EndedRun } from '../types.js';
import { refused, type Kubectl } from './kubectl.js';
import { isDeadHere, ownFacts, ownerSchema, renew } from './owner.js';
import { MANAGED_BY } from './pods.js';

/** Annotations that say whose the namespace is. */
const OWNER_PREFIX = 'barewire.io/owner-';
const LIMIT_MS = 60_000;
const POLL_MS = 200;

/**
 * Creates the namespace of a study where it does not exist, with the Pod Security level that hostNetwork needs. Disposing deletes it;
 * one that existed stays.
 *
 * @throws BarewireError `cluster-refused`
 */
export async function createStudyNamespace(kubectl: Kubectl, name: string): Promise<AsyncDisposable> {
  const existing = await kubectl.run(['get', 'namespace', name, '--ignore-not-found', '-o', 'name']);
  if (existing.code !== 0) throw refused(['get', 'namespace', name], existing.stderr);
  if (existing.stdout.trim() !== '') return { [Symbol.asyncDispose]: () => Promise.resolve() };
  const facts = Object.entries(ownFacts()).map(([key, value]) => [
    `${OWNER_PREFIX}${key}`,
    String(value ?? ''),
  ]);
  const object = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name,
      labels: { ...MANAGED_BY, 'pod-security.kubernetes.io/enforce': 'privileged' },
      annotations: Object.fromEntries(facts) as Record<string, string>,
    },
  };
  const args = ['create', '-f', '-'];
  const created = await kubectl.run(args, JSON.stringify(object));
  if (created.code !== 0) throw refused(args, created.stderr);
  const renewal = renew(kubectl, ['namespace', name]);
  const dispose = async (): Promise<void> => {
    renewal[Symbol.dispose]();
    await deleteNamespace(kubectl, name);
  };
  try {
    await untilUsable(kubectl, name);
    return { [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Pods are admitted once the controllers have made the namespace's service account. */
async function untilUsable(kubectl: Kubectl, name: string): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    const { stdout } = await kubectl.run(['get', 'serviceaccounts', '--namespace', name, '-o', 'name']);
    if (stdout.includes('serviceaccount/default')) return;
    if (performance.now() > deadline)
      throw machineError(
        'timed-out',
        `The namespace ${name} got no service account within ${LIMIT_MS / 1_000} s.`,
        'Check the controller manager of the cluster.',
      );
    await pause(POLL_MS);
  }
}

async function deleteNamespace(kubectl: Kubectl, name: string): Promise<void> {
  const args = ['delete', 'namespace', name, '--ignore-not-found', `--timeout=${LIMIT_MS / 1_000}s`];
  const { code, stderr } = await kubectl.run(args);
  if (code !== 0) throw refused(args, stderr);
}

/** Deletes the namespaces that ended studies created. Without the right to list namespaces there are none. */
export async function deleteDeadNamespaces(kubectl: Kubectl): Promise<readonly EndedRun[]> {
  const selector = Object.entries(MANAGED_BY)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const listed = await kubectl.jsonOrNull(['get', 'namespaces', '--selector', selector], ownerSchema);
  const dead = (listed?.items ?? []).flatMap(({ metadata }) => {
    const data = Object.fromEntries(
      Object.entries(metadata.annotations ?? {}).flatMap(([key, value]) =>
        key.startsWith(OWNER_PREFIX) ? [[key.slice(OWNER_PREFIX.length), value]] : [],
      ),
    ) as Record<string, string>;
    // A namespace without these annotations was not created by a study.
    return data['host'] !== undefined && isDeadHere({ metadata, data })
      ? [{ name: metadata.name, since: data['startedAt'] ?? '' }]
      : [];
  });
  for (const { name } of dead) await deleteNamespace(kubectl, name);
  return dead.map(({ name, since }) => ({
    run: 'all',
    place: `namespace ${name}, with the namespace`,
    since,
  }));
}
