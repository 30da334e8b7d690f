import { createHash } from 'node:crypto';
import { copyFile, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import type { Machine } from '../machine/index.js';
import { machineError } from '../schema/index.js';
import { cacheDirectory, cached } from './cache.js';
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
  const content = await contentOf(kernel, busybox);
  const path = join(cacheDirectory(), 'initramfs', `${kernel.version}-${content}`);
  await cached(path, (unfinished) => build(machine, kernel, busybox, unfinished), signal);
  return join(path, ARCHIVE);
}

const ARCHIVE = 'initramfs.cpio';

async function contentOf({ bootModules }: Kernel, busybox: string): Promise<string> {
  const hash = createHash('sha256').update(ARCHIVE).update(INIT);
  for (const file of [busybox, ...bootModules]) hash.update(basename(file)).update(await readFile(file));
  return hash.digest('hex').slice(0, 16);
}

async function build(machine: Machine, kernel: Kernel, busybox: string, path: string): Promise<void> {
  const tree = join(path, 'tree');
  await mkdir(join(tree, 'bin'), { recursive: true });
  await mkdir(join(tree, 'modules'));
  await cp(busybox, join(tree, 'bin/busybox'), { dereference: true });
  await writeFile(join(tree, 'init'), INIT, { mode: 0o755 });
  const modules = await Promise.all(
    kernel.bootModules.map((module, at) => addModule(machine, tree, module, at)),
  );
  await pack(machine, tree, ['bin', 'bin/busybox', 'init', 'modules', ...modules], join(path, ARCHIVE));
  await rm(tree, { recursive: true });
}

/**
 * Modules are numbered so that their names sort in load order, and unpacked because busybox's `insmod` may
 * lack decompression.
 */
async function addModule(machine: Machine, tree: string, module: string, at: number): Promise<string> {
  const name = `modules/${String(at).padStart(2, '0')}-${basename(module)}`;
  await copyFile(module, join(tree, name));
  return relative(tree, await unpack(machine, join(tree, name)));
}

/**
 * Uncompressed: an emulated CPU would take longer to decompress it than this machine takes to pass it over.
 */
async function pack(
  machine: Machine,
  tree: string,
  names: readonly string[],
  archive: string,
): Promise<void> {
  const argv = ['cpio', '--quiet', '-o', '-H', 'newc', '-D', tree, '-O', archive];
  await run(machine, argv, `${names.join('\n')}\n`);
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
