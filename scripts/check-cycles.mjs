// Finds cycles in the imports of a source folder, type imports included.
// Usage: node scripts/check-cycles.mjs [FOLDER]
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const sources = (folder) =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sources(path);
    return name.endsWith('.ts') ? [path] : [];
  });

/** The files of the folder that a file imports or re-exports. */
function importsOf(path, known) {
  const file = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest);
  return file.statements.flatMap((statement) => {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return [];
    const text = statement.moduleSpecifier?.text;
    if (text === undefined || !text.startsWith('.')) return [];
    const target = resolve(dirname(path), text).replace(/\.js$/, '.ts');
    return known.has(target) ? [target] : [];
  });
}

/** The cycles as lists of files relative to the folder; empty without one. One cycle for each strongly connected part. */
export function findCycles(folder) {
  const paths = sources(folder);
  const known = new Set(paths);
  const imports = new Map(paths.map((path) => [path, importsOf(path, known)]));
  const state = new Map();
  const stack = [];
  const cycles = [];
  const visit = (path) => {
    state.set(path, 'open');
    stack.push(path);
    for (const target of imports.get(path)) {
      if (state.get(target) === 'open') cycles.push([...stack.slice(stack.indexOf(target)), target]);
      else if (!state.has(target)) visit(target);
    }
    stack.pop();
    state.set(path, 'done');
  };
  for (const path of paths) if (!state.has(path)) visit(path);
  return cycles.map((cycle) => cycle.map((path) => relative(folder, path)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = resolve(process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '../src'));
  const cycles = findCycles(folder);
  for (const cycle of cycles) console.error(`Import cycle: ${cycle.join(' → ')}`);
  process.exitCode = cycles.length === 0 ? 0 : 1;
}
