import { readFileSync, writeFileSync } from 'node:fs';
import { normalizeSetting, writableSetting, type ChangedSetting } from '../schema/index.js';
import { runCommand } from './command.js';
import type { Undo } from './journal-format.js';
import { inspect } from './presence.js';
import { sysctlsChangedBy, sysctlPath } from './sysctl.js';

export type SettingUndo = Extract<Undo, { kind: 'setting' }>;

/**
 * Pairs of settings that are two views of one: writing one clears the other, whose zero then cannot be written back.
 * (kernel/sysctl.c and mm/page-writeback.c)
 */
const TWINS: readonly (readonly [string, string])[] = [
  ['/proc/sys/vm/dirty_bytes', '/proc/sys/vm/dirty_ratio'],
  ['/proc/sys/vm/dirty_background_bytes', '/proc/sys/vm/dirty_background_ratio'],
];

/** A setting's text; null when the machine has no such file. `netns` is by name, null this process's own. */
export async function readSetting(netns: string | null, path: string): Promise<string | null> {
  if (needsSysfsOf(netns, path)) {
    const { code, stdout } = await runCommand(['ip', 'netns', 'exec', netns, 'cat', path], {
      netns: null,
      shielded: true,
    });
    return code === 0 ? stdout.trim() : null;
  }
  return inspect(netns, null, () => {
    try {
      return readFileSync(path, 'utf8').trim();
    } catch (error) {
      // A device that has gone gives ENODEV, a setting of a link without the feature EOPNOTSUPP.
      if (['ENOENT', 'ENODEV', 'EOPNOTSUPP'].includes((error as NodeJS.ErrnoException).code ?? ''))
        return null;
      throw error;
    }
  });
}

/**
 * Writes a setting and reads it back.
 *
 * @throws Error with the kernel's refusal, or with the value that it kept instead
 */
export async function writeSetting(netns: string | null, path: string, value: string): Promise<void> {
  if (needsSysfsOf(netns, path)) {
    const { code, stderr } = await runCommand(['ip', 'netns', 'exec', netns, 'tee', path], {
      netns: null,
      shielded: true,
      input: value,
    });
    if (code !== 0) throw new Error(stderr.trim());
  } else inspect(netns, undefined, () => writeFileSync(path, value));
  const kept = await readSetting(netns, path);
  if (kept === null || !isSame(path, kept, value))
    throw new Error(`the kernel keeps ${kept === null ? 'nothing' : JSON.stringify(writableSetting(kept))}`);
}

/**
 * What undoing a setting restores: its value and those that the kernel changes with it. Null when the machine does not have it
 * yet: it belongs to a namespace or link that an earlier step creates, and goes with it.
 */
export async function resolveSetting(
  netns: string | null,
  path: string,
  written: string,
): Promise<SettingUndo | null> {
  const value = await readSetting(netns, path);
  if (value === null) return null;
  const others = path.startsWith('/proc/sys/')
    ? inspect<readonly string[]>(netns, [], () => sysctlsChangedBy(path.slice('/proc/sys/'.length)))
        .slice(1)
        .map(sysctlPath)
    : [];
  const twin = TWINS.find((pair) => pair.includes(path))?.find((one) => one !== path);
  const previous = [{ path, value: writableSetting(value) }];
  for (const other of [...others, ...(twin === undefined ? [] : [twin])]) {
    const found = await readSetting(netns, other);
    if (found !== null) previous.push({ path: other, value: writableSetting(found) });
  }
  return { kind: 'setting', netns, written, previous };
}

/**
 * Restores a setting that still has the value that was written, and what changed with it. One with another value was changed
 * meanwhile: it is left and returned.
 *
 * @throws Error when the kernel refuses the previous value
 */
export async function restoreSetting(undo: SettingUndo, home: string | null): Promise<ChangedSetting | null> {
  const netns = undo.netns ?? home;
  const [first] = undo.previous;
  const found = first === undefined ? null : await readSetting(netns, first.path);
  if (first === undefined || found === null) return null;
  if (!isSame(first.path, found, undo.written) && !isSame(first.path, found, first.value))
    return {
      path: first.path,
      before: first.value,
      written: undo.written,
      found: writableSetting(found),
    };
  const hasTwin = TWINS.some((pair) => pair.includes(first.path));
  for (const { path, value } of undo.previous) {
    // The zero of the view that was not in use cannot be written: writing the other one restores it.
    if (hasTwin && value === '0') continue;
    const now = await readSetting(netns, path);
    if (now !== null && !isSame(path, now, value)) await writeSetting(netns, path, value);
  }
  return null;
}

const isSame = (path: string, one: string, other: string): boolean =>
  normalizeSetting(path, one) === normalizeSetting(path, other);

/** /sys shows the links of the namespace that it was mounted in; `ip netns exec` mounts it again. */
const needsSysfsOf = (netns: string | null, path: string): netns is string =>
  netns !== null && path.startsWith('/sys/');
