import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine } from '../machine/index.js';
import { cacheDirectory, cached } from './cache.js';
import { packerOf, unpack, type Packing } from './packing.js';

const SETUP_SECTORS_AT = 0x1f1;
const SECTOR_BYTES = 512;
const PAYLOAD_AT = 0x248;
/** The build adds the unpacked size behind what has none of its own (scripts/Makefile.lib, size_append). */
const SIZE_BYTES = 4;

/**
 * The kernel of a bzImage as it is once it has unpacked itself, made once and kept in the cache: an emulated CPU takes most of a
 * boot's time for that. Null where it cannot be had, or could not be started so.
 */
export async function unpackedKernel(
  machine: Machine,
  image: string,
  signal?: AbortSignal,
): Promise<string | null> {
  const bytes = await readFile(image);
  const payload = payloadOf(bytes);
  const packing = packerOf(payload);
  if (packing === null) return null;
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  const path = join(cacheDirectory(), 'unpacked', hash);
  try {
    await cached(path, (unfinished) => make(machine, unfinished, payload, packing), signal);
  } catch {
    signal?.throwIfAborted();
    // No program to unpack it, no room: the guest does it itself.
    return null;
  }
  const kernel = join(path, KERNEL);
  return startsByPvh(await readFile(kernel)) ? kernel : null;
}

const KERNEL = 'vmlinux';

/** Documentation/arch/x86/boot.rst: `payload_offset` and `payload_length`, counted from behind the set-up code. */
function payloadOf(image: Buffer): Buffer {
  const sectors = image.readUInt8(SETUP_SECTORS_AT) || 4;
  const start = (sectors + 1) * SECTOR_BYTES + image.readUInt32LE(PAYLOAD_AT);
  return image.subarray(start, start + image.readUInt32LE(PAYLOAD_AT + 4));
}

async function make(machine: Machine, path: string, payload: Buffer, packing: Packing): Promise<void> {
  await mkdir(path, { recursive: true });
  const packed = join(path, `${KERNEL}${packing}`);
  await writeFile(packed, packing === '.gz' ? payload : payload.subarray(0, -SIZE_BYTES));
  await unpack(machine, packed);
}

/** XEN_ELFNOTE_PHYS32_ENTRY: the note by which QEMU finds where to enter (name `Xen`, type 18). */
const PVH_NOTES = [4, 8].map((size) =>
  Buffer.from([4, 0, 0, 0, size, 0, 0, 0, 18, 0, 0, 0, 88, 101, 110, 0]),
);
const startsByPvh = (kernel: Buffer): boolean => PVH_NOTES.some((note) => kernel.includes(note));
