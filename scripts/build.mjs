// Two files: the command line, and a small one for what runs on every host (the agent, the generator and its threads).
import { build } from 'esbuild';
import { readFile } from 'node:fs/promises';

const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));

export async function buildBundle() {
  await build({
    entryPoints: { barewire: 'src/cli/main.ts', agent: 'src/cli/agent-main.ts' },
    outdir: 'dist',
    outExtension: { '.js': '.mjs' },
    absWorkingDir: new URL('..', import.meta.url).pathname,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['koffi'],
    sourcemap: 'linked',
    legalComments: 'none',
    define: { BAREWIRE_VERSION: JSON.stringify(version) },
    // Some dependencies are CommonJS and ask for Node's own modules by `require`.
    banner: {
      js: "import { createRequire as barewireRequire } from 'node:module'; const require = barewireRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
}

if (process.argv[1] === new URL(import.meta.url).pathname) await buildBundle();
