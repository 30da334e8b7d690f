import { lstatSync } from 'node:fs';
import { inNetns, linkExists, netnsExists, routeExists } from '../linux/index.js';
import type { Undo } from './journal-format.js';

/** Looks from inside a namespace; `absent` when that is gone, and all that was in it. */
export function look<T>(netns: string | null, absent: T, work: () => T): T {
  if (netns !== null && !netnsExists(netns)) return absent;
  return inNetns(netns, work);
}

/** Whether what an undo takes away is there; `home` is the name of the host's own namespace as seen from here. */
export function isPresent(undo: Undo, home: string | null): boolean {
  switch (undo.kind) {
    case 'netns':
      return netnsExists(undo.name);
    case 'link':
      return look(undo.netns ?? home, false, () => linkExists(undo.name));
    case 'route':
      return look(undo.netns ?? home, false, () => routeExists(undo.destination));
    case 'qdisc':
      // Asking which one it is takes a netlink dump or a process: a link is enough to try.
      return look(undo.netns ?? home, false, () => linkExists(undo.link));
    case 'file':
    case 'directory':
      // Not `exists`: a dangling symbolic link takes the name too.
      return lstatSync(undo.path, { throwIfNoEntry: false }) !== undefined;
    case 'sysctl':
    case 'process':
      return true;
  }
}
