import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { bundlePath } from '../../machine/index.js';

/** The agent and the library that it loads, as they are sent to another machine. */
export interface Bundle {
  /** Of names and contents; names the bundle's directory there. */
  readonly hash: string;
  /** The values of `process.arch` that the library was built for. */
  readonly architectures: readonly string[];
  /** `{ manifest, files }` as JSON, gzipped, base64: the manifest's text, and each file in base64. */
  readonly packed: string;
}

export const AGENT = 'agent.mjs';
const NATIVE = /@koromix\/koffi-linux-(?<arch>[^/]+)\/.*\.node$/;

/** The manifest contains the hash of every file. The remote host computes the same hash. */
export const HASH_LENGTH = 16;
const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');

export async function readBundle(): Promise<Bundle> {
  const library = dirname(createRequire(bundlePath()).resolve('koffi'));
  const paths = [
    { name: AGENT, path: bundlePath() },
    ...(await filesOf(library, 'koffi')),
    ...(await filesOf(join(library, '../@koromix'), '@koromix')),
  ];
  const read = async ({ name, path }: Place) => ({ name, content: await readFile(path) });
  const files = await Promise.all(paths.map(read));
  const sums = files.map(({ name, content }) => [name, sha256(content)] as const);
  const manifest = JSON.stringify(Object.fromEntries(sums));
  const contents = files.map(({ name, content }) => [name, content.toString('base64')] as const);
  const whole = JSON.stringify({ manifest, files: Object.fromEntries(contents) });
  return {
    hash: sha256(manifest).slice(0, HASH_LENGTH),
    architectures: [...new Set(paths.flatMap(({ name }) => NATIVE.exec(name)?.groups?.['arch'] ?? []))],
    packed: gzipSync(whole).toString('base64'),
  };
}

interface Place {
  readonly name: string;
  readonly path: string;
}

/** The files of a package that Node loads, by the names under which it looks for them, sorted. */
async function filesOf(folder: string, pkg: string): Promise<Place[]> {
  const names = (await readdir(folder, { recursive: true })).filter((name) =>
    /\.(?:js|node)$|(?:^|\/)package\.json$/.test(name),
  );
  return names.sort().map((name) => ({ name: `node_modules/${pkg}/${name}`, path: join(folder, name) }));
}
