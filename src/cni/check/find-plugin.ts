import { accessSync, constants, statSync } from 'node:fs';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import { userError } from '../../schema/index.js';

/** Where distributions install plugins. */
const USUAL = ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni'];

export interface FoundPlugin {
  /** The name that configurations have as `type`. */
  readonly type: string;
  readonly path: string;
  /** The directories of CNI_PATH, its own first. */
  readonly directories: readonly string[];
}

/**
 * Finds a plugin by its path, or by its name in `directories`, CNI_PATH and the usual places.
 *
 * @throws BarewireError `no-such-file`
 */
export function findPlugin(plugin: string, directories: readonly string[]): FoundPlugin {
  const path = (process.env['CNI_PATH'] ?? '').split(delimiter).filter(Boolean);
  const searched = [...new Set([...directories, ...path, ...USUAL].map((directory) => resolve(directory)))];
  const candidates = plugin.includes('/')
    ? [resolve(plugin)]
    : searched.map((directory) => join(directory, plugin));
  const found = candidates.find(isProgram);
  if (found === undefined)
    throw userError(
      `There is no executable plugin ${plugin}${plugin.includes('/') ? '' : ` in ${searched.join(', ')}`}.`,
      'Give its path, or its directory by --plugin-dir.',
      { code: 'no-such-file' },
    );
  return {
    type: basename(found),
    path: found,
    directories: [...new Set([dirname(found), ...searched.filter(isDirectory)])],
  };
}

/**
 * The path of a plugin that a configuration names by its type.
 *
 * @throws BarewireError `no-such-file`
 */
export function locatePlugin(type: string, directories: readonly string[]): string {
  const found = directories.map((directory) => join(directory, type)).find(isProgram);
  if (found !== undefined) return found;
  throw userError(
    `The network configuration uses the plugin ${type}, which is not in ${directories.join(', ')}.`,
    'Install it, or give its directory by --plugin-dir.',
    { code: 'no-such-file' },
  );
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

const isDirectory = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
