import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached, cacheDirectory, type Machine } from '../machine/index.js';
import { machineError } from '../schema/index.js';

const SETUP_SECTORS_AT = 0x1f1;
const SECTOR_BYTES = 512;
const PAYLOAD_AT = 0x248;
/** The build appends the unpacked size to formats that lack it (scripts/Makefile.lib, size_append). */
const SIZE_BYTES = 4;

/**
 * Returns the unpacked kernel of a bzImage from the cache, extracted once: unpacking takes an emulated CPU
 * most of the boot. Null where it cannot be extracted or booted.
 */
export async function unpackedKernel(
  machine: Machine,
  image: string,
  signal?: AbortSignal,
): Promise<string | null> {
  const bytes = await readFile(image);
  const payload = payloadOf(bytes);
  // By the first bytes; null where no program here unpacks it.
  const packing =
    PACKINGS.find((packing) => PACKERS[packing].magic.every((byte, at) => payload[at] === byte)) ?? null;
  if (packing === null) return null;
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  const path = join(cacheDirectory(), 'unpacked', hash);
  try {
    const bytesOfKernel = packing === '.gz' ? payload : payload.subarray(0, -SIZE_BYTES);
    await cached(
      path,
      async (entry) => {
        await unpack(machine, await entry.write(`${KERNEL}${packing}`, bytesOfKernel));
      },
      signal,
    );
  } catch {
    signal?.throwIfAborted();
    // Without a program to unpack it, or without disk space, the guest unpacks it.
    return null;
  }
  const kernel = join(path, KERNEL);
  const bytesOfKernel = await readFile(kernel);
  return PVH_NOTES.some((note) => bytesOfKernel.includes(note)) ? kernel : null;
}

const KERNEL = 'vmlinux';

/**
 * Documentation/arch/x86/boot.rst: `payload_offset` and `payload_length`, relative to the end of the setup
 * code.
 */
function payloadOf(image: Buffer): Buffer {
  const sectors = image.readUInt8(SETUP_SECTORS_AT) || 4;
  const start = (sectors + 1) * SECTOR_BYTES + image.readUInt32LE(PAYLOAD_AT);
  return image.subarray(start, start + image.readUInt32LE(PAYLOAD_AT + 4));
}

/** XEN_ELFNOTE_PHYS32_ENTRY: the ELF note with the entry point for QEMU (name `Xen`, type 18). */
const PVH_NOTES = [4, 8].map((size) =>
  Buffer.from([4, 0, 0, 0, size, 0, 0, 0, 18, 0, 0, 0, 88, 101, 110, 0]),
);

interface Packer {
  /** The first bytes of its output. */
  readonly magic: readonly number[];
  /** Unpacks the file named last and removes the packed one. */
  readonly unpack: readonly string[];
}

const PACKERS = {
  '.xz': { magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a], unpack: ['xz', '-d'] },
  '.zst': { magic: [0x28, 0xb5, 0x2f, 0xfd], unpack: ['zstd', '-d', '-q', '--rm'] },
  '.gz': { magic: [0x1f, 0x8b], unpack: ['gzip', '-d'] },
} as const satisfies Readonly<Record<string, Packer>>;

/** The suffix of a packed file's name. */
type Packing = keyof typeof PACKERS;
const PACKINGS = Object.keys(PACKERS) as Packing[];

/**
 * Unpacks a file in place and returns the remaining path.
 *
 * @throws BarewireError `process-failed`
 */
export async function unpack(machine: Machine, path: string): Promise<string> {
  const packing = PACKINGS.find((packing) => path.endsWith(packing)) ?? null;
  if (packing === null) return path;
  const argv = [...PACKERS[packing].unpack, path];
  const { code, stderr } = await machine.run(argv, { timeoutMs: 60_000 });
  if (code === 0) return path.slice(0, -packing.length);
  throw machineError(
    'process-failed',
    `${argv.join(' ')} failed: ${stderr.trim()}`,
    'Check that the disk of the cache (~/.cache) has free space.',
  );
}
