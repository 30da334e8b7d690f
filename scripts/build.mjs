// Two bundles: the command line in parts, and one file for what runs on every host (the agent, the generator and its threads). Beside them
// the native parts of the agent for other hosts than this machine.
import { build } from 'esbuild';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'));

export async function buildBundle() {
  await collectNatives();
  const root = new URL('..', import.meta.url).pathname;
  const shared = {
    outdir: 'dist',
    outExtension: { '.js': '.mjs' },
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['koffi', '@aws-sdk/*'],
    sourcemap: 'linked',
    legalComments: 'none',
    define: { BAREWIRE_VERSION: JSON.stringify(version) },
    // Some dependencies are CommonJS and ask for Node's own modules by `require`.
    banner: {
      js: "import { createRequire as barewireRequire } from 'node:module'; const require = barewireRequire(import.meta.url);",
    },
    plugins: [ENGLISH_ALONE],
    logLevel: 'warning',
  };
  // The command line is split, so that a command loads what it needs. The agent is one file, which is sent to hosts.
  const parts = { splitting: true, chunkNames: 'parts/[name]-[hash]', metafile: true };
  const built = await build({ ...shared, ...parts, entryPoints: { barewire: 'src/cli/main.ts' } });
  // Only after the new ones are there: commands may run meanwhile.
  const present = new Set(Object.keys(built.metafile.outputs));
  for (const name of await readdir(join(root, 'dist/parts')))
    if (!present.has(`dist/parts/${name}`)) await rm(join(root, 'dist/parts', name));
  await build({ ...shared, entryPoints: { agent: 'src/cli/agent-main.ts' } });
}

/** zod exports its messages in fifty languages: a fifth of the code that every command would load. */
const ENGLISH_ALONE = {
  name: 'english-alone',
  setup: ({ onLoad }) =>
    onLoad({ filter: /[/]zod[/]v4[/]locales[/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
    })),
};

const LIBRARY = 'koffi';
const NATIVE = ['@koromix/koffi-linux-x64', '@koromix/koffi-linux-arm64'];

/**
 * Puts the FFI library with its native parts for Linux into dist/native, from where they are sent to hosts. npm installs only those
 * for this machine; the others come from the registry.
 */
async function collectNatives() {
  const root = new URL('..', import.meta.url).pathname;
  const { packages } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
  for (const name of [LIBRARY, ...NATIVE]) {
    const { version: wanted, integrity } = packages[`node_modules/${name}`];
    const folder = join(root, 'dist/native', name);
    const has = await readFile(join(folder, 'package.json'), 'utf8').catch(() => '{}');
    if (JSON.parse(has).version === wanted) continue;
    await mkdir(join(folder, '..'), { recursive: true });
    const scratch = await mkdtemp(join(root, 'dist/native/.new-'));
    try {
      const installed = join(root, 'node_modules', name);
      if (existsSync(installed))
        await cp(installed, join(scratch, 'package'), { recursive: true, filter: isLoaded });
      else await fetchPackage(`${name}@${wanted}`, integrity, scratch);
      await rm(folder, { recursive: true, force: true });
      await rename(join(scratch, 'package'), folder);
    } catch (error) {
      console.error(`barewire: ${name} could not be fetched: ${error.message}`);
      console.error('  Hosts of that architecture cannot be measured until `npm run build` has fetched it.');
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }
}

/** Without the library's sources and documentation, which are twenty times as large. */
const isLoaded = (path) => !/\/(?:doc|lib|vendor|cnoke\.cjs)$|\.(?:md|cc|hh|h|inc|txt|asm|S)$/.test(path);

/** Extracts a package to the folder `package` of `scratch`. */
async function fetchPackage(name, integrity, scratch) {
  const packing = ['pack', name, '--silent', '--pack-destination', scratch];
  const { stdout } = await run('npm', packing, { cwd: scratch });
  const archive = join(scratch, stdout.trim().split('\n').at(-1));
  const hash = createHash('sha512').update(await readFile(archive));
  const sum = `sha512-${hash.digest('base64')}`;
  if (sum !== integrity) throw new Error(`its integrity is ${sum}, package-lock.json has ${integrity}`);
  await run('tar', ['-xzf', archive, '-C', scratch]);
}

if (process.argv[1] === new URL(import.meta.url).pathname) await buildBundle();
