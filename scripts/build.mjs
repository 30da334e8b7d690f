// One file that the command line, the agent on a far host and the generator's threads all run from.
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));

export async function buildBundle() {
  const result = await build({
    entryPoints: ['src/cli/main.ts'],
    outfile: 'dist/barewire.mjs',
    absWorkingDir: new URL('..', import.meta.url).pathname,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['koffi'],
    sourcemap: 'linked',
    legalComments: 'none',
    metafile: true,
    define: { BAREWIRE_VERSION: JSON.stringify(version) },
    // Some dependencies are CommonJS and ask for Node's own modules by `require`.
    banner: {
      js: "import { createRequire as barewireRequire } from 'node:module'; const require = barewireRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
  return createHash('sha256').update(Object.keys(result.metafile.inputs).join()).digest('hex');
}

if (process.argv[1] === new URL(import.meta.url).pathname) await buildBundle();
