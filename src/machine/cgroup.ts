import { existsSync, readdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CPU_SHARES } from '../schema/index.js';
import { makeFolder } from './files.js';

/** Where control groups are mounted: one hierarchy (version 2), or one directory for each controller (version 1). */
const ROOT = '/sys/fs/cgroup';

/** The directories of a control group, one in each hierarchy that has it. */
export function findCgroups(path: string): string[] {
  const places = [ROOT, ...childFolders(ROOT)].map((hierarchy) => join(hierarchy, path));
  return places.filter((place) => statSync(place, { throwIfNoEntry: false }) !== undefined);
}

/** The greatest `cpu.weight` of version 2. */
const GREATEST_WEIGHT = 10_000;

/**
 * Creates a control group with the greatest weight for CPU time, where the controller is mounted: a group weighs as one against
 * the other programs of a machine, whatever the priorities within.
 */
export function createCgroup(path: string): void {
  for (const hierarchy of [ROOT, ...childFolders(ROOT)]) {
    const isV1 = existsSync(join(hierarchy, 'cpu.shares'));
    if (!isV1 && !(hierarchy === ROOT && existsSync(join(ROOT, 'cgroup.controllers')))) continue;
    const group = join(hierarchy, path);
    makeFolder(group);
    const weight = join(group, isV1 ? 'cpu.shares' : 'cpu.weight');
    if (existsSync(weight)) writeFileSync(weight, String(isV1 ? CPU_SHARES : GREATEST_WEIGHT));
  }
}

const LIMIT_MS = 2_000;
const RETRY_MS = 10;

/**
 * Removes a control group with those below it. A process that was killed occupies its group until the kernel has ended it.
 * Throws when a group is still occupied after 2 s.
 */
export async function removeCgroup(path: string): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  for (;;)
    try {
      findCgroups(path).forEach(removeFolders);
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(RETRY_MS);
    }
}

function removeFolders(path: string): void {
  childFolders(path).forEach(removeFolders);
  try {
    rmdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function childFolders(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(path, name));
  } catch {
    // There is no cgroup file system, or the group was removed in between.
    return [];
  }
}
