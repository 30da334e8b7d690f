import { createHash } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { dirname, join } from 'node:path';
import { cached, cacheDirectory, type CacheEntry, type Machine, type RunResult } from '../machine/index.js';
import { BarewireError, userError, machineError } from '../schema/index.js';
import { unpackedKernel } from './unpacked-kernel.js';

/** A kernel that a guest can run. */
export interface Kernel {
  readonly version: string;
  /** The bzImage. */
  readonly image: string;
  /** The unpacked kernel, for guests that would take long to unpack it; null where it cannot be extracted. */
  readonly unpacked: string | null;
  /** The directory that contains lib/modules/VERSION. */
  readonly root: string;
  /** The `bootModules` that are not built in, in load order. */
  readonly bootModules: readonly string[];
}

/** Required before the root file system is mounted. */
const NEEDED = ['virtio_pci', 'virtio_net', '9p', '9pnet_virtio', 'overlay'];

export interface KernelRequest {
  /** A bzImage; null selects this machine's own kernel if it suffices, else Debian's. */
  readonly image: string | null;
  readonly signal?: AbortSignal;
}

/**
 * Returns the guests' kernel with its modules.
 *
 * @throws BarewireError `no-such-file` for a missing image, `missing-kernel-feature` for one that cannot run
 * as a guest
 */
export async function findKernel(machine: Machine, { image, signal }: KernelRequest): Promise<Kernel> {
  if (image !== null) return kernelAt(machine, image, signal);
  const own = `/boot/vmlinuz-${release()}`;
  if (existsSync(own)) {
    // Cloud kernels often lack 9p or all modules. Then Debian's kernel is used.
    const found = await kernelAt(machine, own, signal).catch(passOver);
    if (found !== null) return found;
  }
  return kernelAt(machine, await debianKernel(machine, signal), signal);
}

function passOver(error: unknown): null {
  if (error instanceof BarewireError && error.code === 'missing-kernel-feature') return null;
  throw error;
}

async function kernelAt(machine: Machine, image: string, signal?: AbortSignal): Promise<Kernel> {
  if (!existsSync(image))
    throw userError(
      `No such kernel: ${image}`,
      'Name a bzImage with its modules beside it (X/boot/vmlinuz-V and X/lib/modules/V), or omit --kernel.',
      { code: 'no-such-file' },
    );
  const path = realpathSync(image);
  const version = await versionOf(path);
  // Next to the image in an unpacked package, at the root of an installed one.
  const root = [dirname(dirname(path)), '/'].find((folder) =>
    existsSync(join(folder, 'lib/modules', version)),
  );
  if (root === undefined) throw cannotBeGuest(version, `there is no lib/modules/${version} for ${image}`);
  const modules = await bootModules(machine, root, version);
  const unpacked = await unpackedKernel(machine, path, signal);
  return { version, image: path, unpacked, root, bootModules: modules };
}

const BOOT_SIGNATURE_AT = 0x202;
const BOOT_SIGNATURE = 0x53726448;
const VERSION_POINTER_AT = 0x20e;

/** Documentation/arch/x86/boot.rst: the header's `kernel_version` is the offset of a string from 0x200. */
async function versionOf(image: string): Promise<string> {
  const buffer = await readFile(image);
  if (buffer.length < VERSION_POINTER_AT + 2 || buffer.readUInt32LE(BOOT_SIGNATURE_AT) !== BOOT_SIGNATURE)
    throw cannotBeGuest(image, 'it is not a bzImage for x86');
  const at = buffer.readUInt16LE(VERSION_POINTER_AT) + 0x200;
  return buffer.toString('latin1', at, at + 200).split(/[\s\0]/)[0] ?? '';
}

async function bootModules(machine: Machine, root: string, version: string): Promise<string[]> {
  const argv = ['modprobe', '-d', root, '-S', version, '--show-depends', '-a', ...NEEDED];
  const { code, stdout, stderr } = await machine.run(argv);
  if (code !== 0) throw cannotBeGuest(version, stderr.trim());
  const paths = [...stdout.matchAll(/^insmod (?<path>\S+)/gm)].map(({ groups }) => groups?.['path'] ?? '');
  return [...new Set(paths)];
}

const cannotBeGuest = (version: string, why: string): BarewireError =>
  machineError(
    'missing-kernel-feature',
    `The kernel ${version} cannot run as a guest: ${why}`,
    `Use a kernel with ${NEEDED.join(', ')}, built in or as modules. Without --kernel Barewire downloads Debian's, which has them.`,
  );

const META_PACKAGE = 'linux-image-amd64';
const DOWNLOAD_LIMIT_MS = 600_000;

/**
 * Returns the image of Debian's kernel, unpacked into the cache and not installed. The first run downloads 70
 * MB; later ones use the cache. To get a newer kernel, delete the directory `kernels` from the cache.
 */
async function debianKernel(machine: Machine, signal?: AbortSignal): Promise<string> {
  const folder = join(cacheDirectory(), 'kernels');
  const kept = await anyImage(folder);
  if (kept !== null) return kept;
  const { name, version } = await newestPackage(machine);
  const path = join(folder, `${name}_${version}`);
  await cached(path, (entry) => unpack(machine, `${name}=${version}`, entry), signal);
  const image = await imageIn(path);
  if (image !== null) return image;
  throw cannotFetch(`${path} has no kernel: delete it`);
}

async function anyImage(folder: string): Promise<string | null> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((entry) => entry.startsWith('linux-image-') && !entry.endsWith('.new'))) {
    const image = await imageIn(join(folder, name));
    if (image !== null) return image;
  }
  return null;
}

async function imageIn(path: string): Promise<string | null> {
  const names = await readdir(join(path, 'boot')).catch(() => []);
  const image = names.find((name) => name.startsWith('vmlinuz-'));
  return image === undefined ? null : join(path, 'boot', image);
}

/** The package that Debian's meta package depends on today. */
async function newestPackage(machine: Machine): Promise<{ name: string; version: string }> {
  const shown = await apt(machine, ['apt-cache', 'show', '--no-all-versions', META_PACKAGE]);
  const found = /^Depends: (?<name>linux-image-\S+) \(= (?<version>[^)]+)\)/m.exec(shown.stdout)?.groups;
  const { name, version } = found ?? {};
  if (name !== undefined && version !== undefined) return { name, version };
  throw cannotFetch(`apt knows no ${META_PACKAGE}`);
}

async function unpack(machine: Machine, pkg: string, entry: CacheEntry): Promise<void> {
  const { path } = entry;
  // apt checks signatures and sums itself. As root it would switch to a user who may not write here.
  const download = ['apt-get', '-q', '-o', 'APT::Sandbox::User=root', 'download', pkg];
  await apt(machine, ['env', '-C', path, ...download]);
  const deb = (await readdir(path)).find((name) => name.endsWith('.deb'));
  if (deb === undefined) throw cannotFetch(`apt-get download ${pkg} left no package`);
  const file = join(path, deb);
  // What apt verified could have been damaged while it was written.
  const shown = await apt(machine, ['apt-cache', 'show', '--no-all-versions', pkg]);
  const expected = /^SHA256: (?<sum>[0-9a-f]{64})$/m.exec(shown.stdout)?.groups?.['sum'];
  const found = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  if (found !== expected) throw cannotFetch(`${file} has the sum ${found}, expected ${expected ?? 'one'}`);
  await apt(machine, ['dpkg', '-x', file, path]);
  await entry.remove(deb);
  // Packages since Debian 13 have their modules in usr/lib, where `modprobe -d` does not look.
  if (!existsSync(join(path, 'lib'))) await entry.link('usr/lib', 'lib');
  const [version] = await readdir(join(path, 'lib/modules'));
  if (version === undefined) throw cannotFetch('the package has no modules');
  await apt(machine, ['depmod', '-b', path, version]);
}

async function apt(machine: Machine, argv: readonly string[]): Promise<RunResult> {
  const result = await machine.run(argv, { timeoutMs: DOWNLOAD_LIMIT_MS });
  if (result.code === 0) return result;
  throw cannotFetch(`${argv.join(' ')} failed: ${result.stderr.trim()}`);
}

const cannotFetch = (why: string): BarewireError =>
  machineError(
    'missing-kernel-feature',
    `Could not obtain a guest kernel: ${why}`,
    'Run apt-get update on Debian and try again, or name a bzImage with its modules with --kernel.',
  );
