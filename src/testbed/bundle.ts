import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { bundlePath, cacheDirectory, cached } from '../machine/index.js';
import { machineError } from '../schema/index.js';

/** The agent and the library that it loads, as they are sent to another machine. */
export interface Bundle {
  /** Of names and contents; names the bundle's directory there. */
  readonly hash: string;
  /** The values of `process.arch` that the library was built for. */
  readonly architectures: readonly string[];
  readonly files: readonly { readonly name: string; readonly content: Uint8Array }[];
  /** `{ manifest, files }` as JSON, gzipped, base64: the manifest's text, and each file in base64. */
  readonly packed: string;
}

export const AGENT = 'agent.mjs';
const NATIVE = /@koromix\/koffi-linux-(?<arch>[^/]+)\/.*\.node$/;

/** The manifest contains the hash of every file. The remote host computes the same hash. */
export const HASH_LENGTH = 16;
const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');

/**
 * Reads the agent, and the FFI library with its native parts for Linux on x64 and arm64, each for glibc and musl.
 *
 * @param arch a value of `process.arch`, whose native part alone is included; all by default
 * @throws BarewireError `missing-tool` when there is none for that architecture
 */
export async function readBundle(arch?: string): Promise<Bundle> {
  const folder = join(dirname(bundlePath()), 'native');
  const library = await filesOf(folder);
  const ofArch = ({ name }: Place): boolean => arch === undefined || name.includes(`/koffi-linux-${arch}/`);
  const chosen = library.filter((place) => !place.name.includes('/@koromix/') || ofArch(place));
  if (!chosen.some(({ name }) => NATIVE.test(name)))
    throw machineError(
      'missing-tool',
      `The native part of the agent for Linux on ${arch ?? 'any architecture'} is not in this installation.`,
      'Build it again with access to the npm registry: npm run build',
    );
  const paths = [{ name: AGENT, path: bundlePath() }, ...chosen];
  const read = async ({ name, path }: Place) => ({ name, content: await readFile(path) });
  const files = await Promise.all(paths.map(read));
  const sums = files.map(({ name, content }) => [name, sha256(content)] as const);
  const manifest = JSON.stringify(Object.fromEntries(sums));
  const contents = files.map(({ name, content }) => [name, content.toString('base64')] as const);
  const whole = JSON.stringify({ manifest, files: Object.fromEntries(contents) });
  return {
    hash: sha256(manifest).slice(0, HASH_LENGTH),
    architectures: [...new Set(paths.flatMap(({ name }) => NATIVE.exec(name)?.groups?.['arch'] ?? []))],
    files,
    packed: gzipSync(whole).toString('base64'),
  };
}

/** Unpacks the bundle into the cache of this machine, for containers that mount it. Returns its directory. */
export const unpackBundle = ({ hash, files }: Bundle, signal?: AbortSignal): Promise<string> =>
  cached(
    unpackedPath(hash),
    async (entry) => {
      for (const { name, content } of files) await entry.write(name, content);
    },
    signal,
  );

export const unpackedPath = (hash: string): string => join(cacheDirectory(), `bundle-${hash}`);

interface Place {
  readonly name: string;
  readonly path: string;
}

/** The files of dist/native by the names under which Node looks for them, sorted. */
async function filesOf(folder: string): Promise<Place[]> {
  const listed = await readdir(folder, { recursive: true }).catch(() => []);
  const names = listed.filter((name) => /\.(?:c?js|node)$|(?:^|\/)package\.json$/.test(name));
  return names.sort().map((name) => ({ name: `node_modules/${name}`, path: join(folder, name) }));
}
