// Counts, for each module of src: files, lines, top-level functions, and those that are private and used once.
// Usage: node scripts/count-private.mjs [--list] [MODULE …]
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const args = process.argv.slice(2);
const list = args.includes('--list');
const wanted = args.filter((arg) => !arg.startsWith('--'));
const root = new URL('../src', import.meta.url).pathname;

const sources = (folder) =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sources(path);
    return name.endsWith('.ts') ? [path] : [];
  });

const isFunction = (node) => ts.isArrowFunction(node) || ts.isFunctionExpression(node);
const isExported = (statement) =>
  statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true;

/** The names of a file's top-level functions: all, and the private ones that are referenced once. */
function functionsOf(file) {
  const declared = file.statements.flatMap((statement) => {
    const exported = isExported(statement);
    if (ts.isFunctionDeclaration(statement) && statement.name !== undefined)
      return [{ name: statement.name.text, exported }];
    if (!ts.isVariableStatement(statement)) return [];
    return statement.declarationList.declarations
      .filter(({ initializer }) => initializer !== undefined && isFunction(initializer))
      .map(({ name }) => ({ name: name.getText(file), exported }));
  });
  const uses = new Map();
  const visit = (node) => {
    if (ts.isIdentifier(node)) uses.set(node.text, (uses.get(node.text) ?? 0) + 1);
    ts.forEachChild(node, visit);
  };
  visit(file);
  // One of the two identifiers is the declaration.
  const once = declared.filter(({ name, exported }) => !exported && uses.get(name) === 2);
  return { all: declared.map(({ name }) => name), once: once.map(({ name }) => name) };
}

const totals = new Map();
for (const path of sources(root)) {
  const [, module] = /\/src\/([^/]+)\//.exec(path) ?? [];
  if (module === undefined || (wanted.length > 0 && !wanted.includes(module))) continue;
  const text = readFileSync(path, 'utf8');
  const { all, once } = functionsOf(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
  const sum = totals.get(module) ?? { files: 0, lines: 0, functions: 0, once: 0 };
  sum.files++;
  sum.lines += text.split('\n').length - 1;
  sum.functions += all.length;
  sum.once += once.length;
  totals.set(module, sum);
  if (list) for (const name of once) console.log(`${path.slice(root.length + 1)}: ${name}`);
}
const row = (name, { files, lines, functions, once }) =>
  `${name.padEnd(10)}${[files, lines, functions, once].map((value) => String(value).padStart(10)).join('')}`;
console.log(
  `module    ${['files', 'lines', 'functions', 'used once'].map((title) => title.padStart(10)).join('')}`,
);
const all = { files: 0, lines: 0, functions: 0, once: 0 };
for (const [module, sum] of [...totals].sort()) {
  console.log(row(module, sum));
  for (const key of Object.keys(all)) all[key] += sum[key];
}
console.log(row('total', all));
