import { existsSync, realpathSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { release } from 'node:os';
import { dirname, join } from 'node:path';
import type { Machine } from '../machine/index.js';
import { BarewireError, userError, machineError } from '../schema/index.js';
import { debianKernel } from './debian-kernel.js';
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
  if (!existsSync(image)) throw noImage(image);
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
  const file = await open(image, 'r');
  try {
    const { buffer } = await file.read(Buffer.alloc(0x10000), 0, 0x10000, 0);
    if (buffer.readUInt32LE(BOOT_SIGNATURE_AT) !== BOOT_SIGNATURE)
      throw cannotBeGuest(image, 'it is not a bzImage for x86');
    const at = buffer.readUInt16LE(VERSION_POINTER_AT) + 0x200;
    return buffer.toString('latin1', at, at + 200).split(/[\s\0]/)[0] ?? '';
  } finally {
    await file.close();
  }
}

async function bootModules(machine: Machine, root: string, version: string): Promise<string[]> {
  const argv = ['modprobe', '-d', root, '-S', version, '--show-depends', '-a', ...NEEDED];
  const { code, stdout, stderr } = await machine.run(argv);
  if (code !== 0) throw cannotBeGuest(version, stderr.trim());
  const paths = [...stdout.matchAll(/^insmod (?<path>\S+)/gm)].map(({ groups }) => groups?.['path'] ?? '');
  return [...new Set(paths)];
}

const noImage = (image: string): BarewireError =>
  userError(
    `No such kernel: ${image}`,
    'Name a bzImage with its modules beside it (X/boot/vmlinuz-V and X/lib/modules/V), or omit --kernel.',
    { code: 'no-such-file' },
  );

const cannotBeGuest = (version: string, why: string): BarewireError =>
  machineError(
    'missing-kernel-feature',
    `The kernel ${version} cannot run as a guest: ${why}`,
    `Use a kernel with ${NEEDED.join(', ')}, built in or as modules. Without --kernel Barewire downloads Debian's, which has them.`,
  );
