import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { findErrors, findGaps, readCatalogue, render, sourceFiles } from '../../scripts/errors.mjs';

const catalogue = await readCatalogue();
const thrown = findErrors(sourceFiles());

test('every error and every finding of the code has a cause and a remedy', () => {
  expect(findGaps(catalogue, thrown)).toEqual([]);
  for (const { cause, remedy } of Object.values(catalogue.errors)) {
    expect(cause).toMatch(/^\S.{20,}\.$/);
    expect(remedy).toMatch(/^\S.{10,}\.$/);
  }
  for (const texts of Object.values(catalogue.texts))
    for (const text of texts) expect(text).toMatch(/^\S.{10,}\.$/);
});

test('docs/errors.md is what the code says', async () => {
  expect(readFileSync('docs/errors.md', 'utf8')).toBe(await render(catalogue, thrown));
});

test('errors are found in calls, in wrappers and in constructors', () => {
  const source = `
    throw userError(\`no \${x} here\`, 'Hint.');
    throw userError('gone', 'Hint.', { code: 'no-such-file', cause });
    throw machineError('disk', 'full ' + path, 'Hint.');
    throw bug('never');
    const bad = (message: string, hint: string) => userError(message, hint);
    throw bad('wrapped', 'Hint.');
    const failed = (message: string) => machineError('load-failed', message, 'Hint.');
    throw failed('wrapped too');
    new BarewireError('made', { code: 'locked', fault: 'machine' });
    throw machineError(code, 'of any code', 'Hint.');
    constructor();
    x.toString();
  `;
  expect(findErrors([['src/a.ts', source]]).map(({ code, message }) => [code, message])).toEqual([
    ['bad-input', 'no … here'],
    ['no-such-file', 'gone'],
    ['disk', 'full …'],
    ['bug', 'never'],
    ['bad-input', 'wrapped'],
    ['load-failed', 'wrapped too'],
    ['locked', 'made'],
    [null, 'of any code'],
  ]);
});

test('a code without an entry, an entry without a code, and a code that is no literal are named', () => {
  const gaps = findGaps(
    {
      errors: { disk: { cause: '', remedy: '' }, locked: { cause: '', remedy: '' } },
      texts: { turbo: [], smt: [] },
      findings: ['smt', 'governor'],
      tuningFindings: [],
    },
    findErrors([
      [
        'src/a.ts',
        "machineError('disk', 'a', 'b'); machineError('new', 'a', 'b'); machineError(code, 'c', 'd')",
      ],
    ]),
  );
  expect(gaps).toEqual([
    'src/a.ts: "c" has no literal code',
    'errors.json lacks new',
    'no error has the code locked',
    'findings.json lacks governor',
    'no finding has the code turbo',
  ]);
});
