import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const SCRIPTS = resolve(import.meta.dirname, '../../scripts');
let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'barewire-lint-'))));
afterEach(() => rmSync(folder, { recursive: true }));

function plant(files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

/** What a script reports about the planted files; empty when it accepts them. */
function problemsOf(script: string, path: string): string {
  try {
    execFileSync(process.execPath, [join(SCRIPTS, script), path], { encoding: 'utf8', stdio: 'pipe' });
    return '';
  } catch (error) {
    return (error as { stderr: string }).stderr;
  }
}

test('check-cycles finds a cycle of imports', () => {
  plant({
    'a.ts': "import './b.js';",
    'b.ts': "export { c } from './c.js';",
    'c.ts': "import { a } from './a.js';",
  });
  expect(problemsOf('check-cycles.mjs', folder)).toContain('Import cycle: a.ts → b.ts → c.ts → a.ts');
});

test('check-cycles counts type imports', () => {
  plant({ 'a.ts': "import type { B } from './b.js';", 'b.ts': "import type { A } from './a.js';" });
  expect(problemsOf('check-cycles.mjs', folder)).toContain('a.ts → b.ts → a.ts');
});

test('check-cycles accepts imports without a cycle', () => {
  plant({ 'a.ts': "import './b.js';\nimport './c.js';", 'b.ts': "import './c.js';", 'c.ts': '' });
  expect(problemsOf('check-cycles.mjs', folder)).toBe('');
});

test.each([
  ['src/a.ts', '/** The underlay of a network. */', 'use backend'],
  ['README.md', 'It puts the machine back.', 'use restore'],
  ['test/a.test.ts', 'class AnswerParser {}', 'use the new name'],
  ['docs/a.md', 'A second opinion of the load.', 'use cross-check'],
])('check-words refuses an old phrase in %s', (name, content, expected) => {
  plant({ [name]: content });
  expect(problemsOf('check-words.mjs', folder)).toContain(`${name}:1:`);
  expect(problemsOf('check-words.mjs', folder)).toContain(expected);
});

test('check-words refuses a name that two files export', () => {
  plant({ 'src/a.ts': 'export type Place = string;', 'src/b.ts': 'export interface Place {}' });
  expect(problemsOf('check-words.mjs', folder)).toContain('Place is exported by src/a.ts and src/b.ts');
});

test('check-words accepts ordinary words', () => {
  plant({ 'src/a.ts': '/** The peer of a WireGuard tunnel, which nobody lists. */\nexport const a = 1;' });
  expect(problemsOf('check-words.mjs', folder)).toBe('');
});
