import { build } from 'esbuild';
import { symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';

const here = import.meta.dirname;
export const ROOT = resolve(here, '../../..');

/** Builds the program that makes connections into a folder, and returns its path. */
export async function buildConnector(folder: string): Promise<string> {
  const outfile = join(folder, 'connect-all.mjs');
  await build({
    entryPoints: [join(here, 'connect-all.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['koffi'],
    logLevel: 'warning',
  });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return outfile;
}
