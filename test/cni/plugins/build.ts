import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { built, go } from '../../go-programs.js';

/**
 * The directory of the plugins of the CNI project that `imports.go` lists, and its client cnitool, built from their modules. Null
 * without Go. Takes a minute the first time.
 */
export const buildPlugins = (): Promise<string | null> => build('cni-plugins', import.meta.dirname);

/** The directory of flannel's CNI plugin, which delegates to the plugin `bridge`. Null without Go. */
export const buildFlannelPlugin = (): Promise<string | null> =>
  build('cni-flannel', join(import.meta.dirname, '../flannel'));

async function build(name: string, folder: string): Promise<string | null> {
  try {
    await go(folder, ['version']);
  } catch {
    return null;
  }
  const packages = (await readFile(join(folder, 'imports.go'), 'utf8')).match(/(?<=_ ")[^"]+/g) ?? [];
  const flags = ['-p', '2', '-trimpath', '-ldflags', '-s -w'];
  return built(name, folder, flags, async (made) => {
    await go(folder, ['build', ...flags, '-o', `${made.path}/`, ...packages]);
  });
}
