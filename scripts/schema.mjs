// Writes schema/*.schema.json from the code's own schemas, or with --check says whether the files are still them.
import { build } from 'esbuild';
import { readFile, writeFile } from 'node:fs/promises';

const PUBLISHED = {
  summary: { schema: 'summarySchema', title: 'Barewire summary, version 1' },
  comparison: { schema: 'comparisonSchema', title: 'Barewire comparison, version 1' },
  cost: { schema: 'costSchema', title: 'Barewire cost, version 1' },
};
const fileOf = (name) => new URL(`../schema/${name}.schema.json`, import.meta.url);

/** The published texts by name. Keys that a reader does not know are allowed: later versions only add. */
export async function schemaTexts() {
  // By name: what is not imported needs modules that a data URL cannot load.
  const names = Object.values(PUBLISHED).map(({ schema }) => schema);
  const source =
    `import { z } from 'zod'; import { ${names.join(', ')} } from './src/schema/index.js';` +
    `const schemas = { ${names.join(', ')} };` +
    "export default (name) => z.toJSONSchema(schemas[name], { io: 'input', reused: 'ref' });";
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: new URL('..', import.meta.url).pathname },
    bundle: true,
    format: 'esm',
    // For that of Node, yaml has a build that a data URL cannot load.
    platform: 'browser',
    write: false,
  });
  const { default: schemaOf } = await import(
    `data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`
  );
  return Object.entries(PUBLISHED).map(([name, { schema, title }]) => {
    const { $schema, ...rest } = schemaOf(schema);
    return [name, `${JSON.stringify({ $schema, title, ...rest }, null, 2)}\n`];
  });
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  for (const [name, text] of await schemaTexts()) {
    if (!process.argv.includes('--check')) await writeFile(fileOf(name), text);
    else if ((await readFile(fileOf(name), 'utf8').catch(() => '')) !== text) {
      console.error(`schema/${name}.schema.json is not what src/schema says: run node scripts/schema.mjs`);
      process.exitCode = 1;
    }
  }
}
