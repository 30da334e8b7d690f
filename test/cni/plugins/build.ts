import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { built, go } from '../../go-programs.js';

/**
 * The directory of the plugins of the CNI project that `imports.go` lists, built from their module. Null without Go.
 * Takes a minute the first time.
 */
export async function buildPlugins(): Promise<string | null> {
  const folder = import.meta.dirname;
  try {
    await go(folder, ['version']);
  } catch {
    return null;
  }
  const packages = (await readFile(join(folder, 'imports.go'), 'utf8')).match(/(?<=_ ")[^"]+/g) ?? [];
  const flags = ['-p', '2', '-trimpath', '-ldflags', '-s -w'];
  return built('cni-plugins', folder, flags, async (made) => {
    await go(folder, ['build', ...flags, '-o', `${made.path}/`, ...packages]);
  });
}
