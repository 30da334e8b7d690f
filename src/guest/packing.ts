import type { Machine } from '../machine/index.js';
import { machineError } from '../schema/index.js';

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
export type Packing = keyof typeof PACKERS;
const PACKINGS = Object.keys(PACKERS) as Packing[];

/** By the suffix of the name; null for an unpacked file. */
export const packingOf = (name: string): Packing | null =>
  PACKINGS.find((packing) => name.endsWith(packing)) ?? null;

/** By the first bytes; null where no program here unpacks it. */
export const packerOf = (bytes: Uint8Array): Packing | null =>
  PACKINGS.find((packing) => PACKERS[packing].magic.every((byte, at) => bytes[at] === byte)) ?? null;

/**
 * Unpacks a file in place and returns the remaining path.
 *
 * @throws BarewireError `process-failed`
 */
export async function unpack(machine: Machine, path: string): Promise<string> {
  const packing = packingOf(path);
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
