import { lastLine, refused, type Kubectl } from './kubectl.js';
import { listOf, type KubernetesObject } from './pod-objects.js';

/** A run's id that no run draws: it is longer. */
export const DRY_RUN = 'dryrun0';

export const DRY_RUN_UID = '00000000-0000-0000-0000-000000000000';

/**
 * Lets the API server validate and admit the objects without storing them: schema, quota, Pod Security, webhooks.
 *
 * @returns the refused pods by key, each with the server's words
 * @throws BarewireError `cluster-refused` when another object is refused
 */
export async function dryRun(
  kubectl: Kubectl,
  owner: KubernetesObject,
  owned: readonly KubernetesObject[],
): Promise<ReadonlyMap<string, string>> {
  const args = ['create', '--dry-run=server', '-f', '-'];
  const { code, stderr } = await kubectl.run(args, listOf([owner, ...owned]));
  const pods = new Map<string, string>();
  if (code === 0) return pods;
  const lines = stderr.split('\n').filter((line) => /^(?:Error|error)/.test(line));
  const name = new RegExp(`barewire-${DRY_RUN}-(?<key>(?:client|server|near)-[a-z-]+)`);
  for (const line of lines) {
    const key = name.exec(line)?.groups?.['key'];
    if (key === undefined) throw refused(args, line);
    pods.set(key, lastLine(line).replaceAll(`-${DRY_RUN}`, ''));
  }
  if (pods.size === 0) throw refused(args, stderr);
  return pods;
}
