// Writes schema/summary.schema.json from the code's own schema, or with --check says whether the file is still it.
import { build } from 'esbuild';
import { readFile, writeFile } from 'node:fs/promises';

const FILE = new URL('../schema/summary.schema.json', import.meta.url);

/** The published text. Keys that a reader does not know are allowed: later versions only add. */
export async function summarySchemaText() {
  const source =
    "import { z } from 'zod'; import { summarySchema } from './src/schema/index.js';" +
    "export default z.toJSONSchema(summarySchema, { io: 'input' });";
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: new URL('..', import.meta.url).pathname },
    bundle: true,
    format: 'esm',
    platform: 'node',
    write: false,
  });
  const { default: schema } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
  const { $schema, ...rest } = schema;
  const titled = { $schema, title: 'Barewire summary, version 1', ...rest };
  return `${JSON.stringify(titled, null, 2)}\n`;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const text = await summarySchemaText();
  if (!process.argv.includes('--check')) await writeFile(FILE, text);
  else if ((await readFile(FILE, 'utf8')) !== text) {
    console.error('schema/summary.schema.json is not what src/schema says: run node scripts/schema.mjs');
    process.exitCode = 1;
  }
}
