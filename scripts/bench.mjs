// Runs bench/*.bench.ts, all but the long ones or those whose names are given: each prints a table of interleaved measurements.

import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setUp } from './setup.mjs';

setUp('bench');
const { buildBundle } = await import('./build.mjs');
const { build } = await import('esbuild');
await buildBundle();
const root = new URL('..', import.meta.url).pathname;
const wanted = process.argv.slice(2);
const files = readdirSync(join(root, 'bench')).filter((name) => name.endsWith('.bench.ts'));
// It takes an hour, and runs where it is named.
const LONG = 'soak';
const chosen = files.filter((name) =>
  wanted.length === 0 ? !name.includes(LONG) : wanted.some((part) => name.includes(part)),
);
if (chosen.length === 0) {
  console.error(`No bench has "${wanted.join('" or "')}" in its name. There are: ${files.join(', ')}`);
  process.exit(2);
}
/** Sources that find files beside themselves, such as the cluster of the tests, still do when they are bundled elsewhere. */
const keepDirnames = {
  name: 'keep-dirnames',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\/test\/.*\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replaceAll('import.meta.dirname', JSON.stringify(dirname(path))),
      loader: 'ts',
    })),
};
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
for (const name of chosen) {
  // Beside the bundles, which are found from there.
  const outfile = join(root, 'dist', name.replace(/\.ts$/, '.mjs'));
  await build({
    entryPoints: [join(root, 'bench', name)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    plugins: [keepDirnames],
    define: { BAREWIRE_VERSION: JSON.stringify(version) },
    logLevel: 'warning',
  });
  try {
    const { title, bench } = await import(outfile);
    console.log(`\n${title}\n${await bench()}`);
  } finally {
    rmSync(outfile);
  }
}
process.exit(0);
