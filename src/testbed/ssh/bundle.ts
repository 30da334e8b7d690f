import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { bundlePath } from '../../machine/index.js';

/** The agent with the library that it loads, as it goes to another machine. */
export interface Bundle {
  /** Of names and contents: the name of its folder there. */
  readonly hash: string;
  /** Those of `process.arch` that the library was built for. */
  readonly architectures: readonly string[];
  /** `{ manifest, files }`: the manifest's text, and each file in base64; the whole as JSON, gzipped, base64. */
  readonly packed: string;
}

export const AGENT = 'agent.mjs';
const NATIVE = /@koromix\/koffi-linux-(?<arch>[^/]+)\/.*\.node$/;

/** The hash of a manifest, which holds the hash of every file: the far side computes the same. */
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

/** What Node loads of a package, by the names that it looks for them under, in the order of the names. */
async function filesOf(folder: string, pkg: string): Promise<Place[]> {
  const names = (await readdir(folder, { recursive: true })).filter((name) =>
    /\.(?:js|node)$|(?:^|\/)package\.json$/.test(name),
  );
  return names.sort().map((name) => ({ name: `node_modules/${pkg}/${name}`, path: join(folder, name) }));
}
