import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { cached, cacheDirectory, type CacheEntry, type Machine } from '../machine/index.js';
import { machineError } from '../schema/index.js';
import { INIT } from './init.js';
import type { Kernel } from './kernel.js';
import { unpack } from './unpacked-kernel.js';

/**
 * Returns the initramfs for a kernel: busybox, the modules to boot with, and `INIT`. It is built once for the
 * same content.
 */
export async function initramfsFor(
  machine: Machine,
  kernel: Kernel,
  busybox: string,
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash('sha256').update(ARCHIVE).update(INIT);
  for (const file of [busybox, ...kernel.bootModules])
    hash.update(basename(file)).update(await readFile(file));
  const content = hash.digest('hex').slice(0, 16);
  const path = join(cacheDirectory(), 'initramfs', `${kernel.version}-${content}`);
  await cached(path, (entry) => build(machine, kernel, busybox, entry), signal);
  return join(path, ARCHIVE);
}

const ARCHIVE = 'initramfs.cpio';

async function build(machine: Machine, kernel: Kernel, busybox: string, entry: CacheEntry): Promise<void> {
  const tree = join(entry.path, 'tree');
  await entry.copy(busybox, 'tree/bin/busybox');
  await entry.write('tree/init', INIT, 0o755);
  // Modules are numbered so that their names sort in load order, and unpacked because busybox's `insmod` may lack decompression.
  const modules = await Promise.all(
    kernel.bootModules.map(async (module, index) => {
      const name = `tree/modules/${String(index).padStart(2, '0')}-${basename(module)}`;
      return relative(tree, await unpack(machine, await entry.copy(module, name)));
    }),
  );
  const names = ['bin', 'bin/busybox', 'init', 'modules', ...modules];
  // Uncompressed: an emulated CPU would take longer to decompress it than this machine takes to pass it over.
  const argv = ['cpio', '--quiet', '-o', '-H', 'newc', '-D', tree, '-O', join(entry.path, ARCHIVE)];
  await run(machine, argv, `${names.join('\n')}\n`);
  await entry.remove('tree');
}

async function run(machine: Machine, argv: readonly string[], input = ''): Promise<void> {
  const { code, stderr } = await machine.run(argv, { input, timeoutMs: 60_000 });
  if (code === 0) return;
  throw machineError(
    'process-failed',
    `Could not build the guests' initramfs: ${argv.join(' ')}: ${stderr.trim()}`,
    'Check that the disk of the cache (~/.cache) has free space.',
  );
}
