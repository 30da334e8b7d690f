import { lstatSync } from 'node:fs';
import * as z from 'zod';
import { inNetns, linkExists, netnsExists, routeExists } from '../linux/index.js';
import { findCgroups } from './cgroup.js';
import { runCommand } from './command.js';
import type { Undo } from './journal-format.js';

/** Reads state inside a namespace; `absent` when the namespace is gone. */
export function inspect<T>(netns: string | null, absent: T, work: () => T): T {
  if (netns !== null && !netnsExists(netns)) return absent;
  return inNetns(netns, work);
}

/** Whether the object of an undo exists; `home` is the name of the host's own namespace as seen from here. */
export function isPresent(undo: Undo, home: string | null): boolean {
  switch (undo.kind) {
    case 'netns':
      return netnsExists(undo.name);
    case 'link':
      return inspect(undo.netns ?? home, false, () => linkExists(undo.name));
    case 'route':
      return inspect(undo.netns ?? home, false, () => routeExists(undo.destination));
    case 'qdisc':
      // Identifying the route would take a netlink dump or a process; an existing link is enough to try.
      return inspect(undo.netns ?? home, false, () => linkExists(undo.link));
    case 'file':
      return isOccupied(undo.path);
    case 'directory':
      // Its parents are made first, and a kill in between leaves them alone.
      return [undo.path, ...undo.parents].some(isOccupied);
    case 'cgroup':
      return findCgroups(undo.path).length > 0;
    case 'setting':
    case 'feature':
    case 'nftables':
    case 'process':
    case 'docker':
    case 'cni':
    case 'firewall-rule':
    case 'docker-rules':
      return true;
  }
}

/** Not `exists`: a dangling symbolic link occupies the name too. */
const isOccupied = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

const qdiscsSchema = z.array(z.object({ handle: z.string(), root: z.boolean().optional() }));

/** True when the root qdisc of a link was configured: it has a handle, and the kernel's default has 0. */
export async function hasOwnQdisc(netns: string | null, link: string): Promise<boolean> {
  const shown = await runCommand(['tc', '-json', 'qdisc', 'show', 'dev', link], { netns });
  // The link or its namespace is gone.
  if (shown.code !== 0) return false;
  return qdiscsSchema
    .parse(JSON.parse(shown.stdout))
    .some(({ handle, root }) => root === true && handle !== '0:');
}
