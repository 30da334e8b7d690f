import { ESLint } from 'eslint';
import { describe, expect, test } from 'vitest';

/** Lints code as if it were the content of a file. */
async function lint(filePath: string, code: string): Promise<string> {
  const results = await new ESLint().lintText(code, { filePath });
  return results.flatMap(({ messages }) => messages.map(({ message }) => message)).join('\n');
}

const COMPARED = 'declare const testbed: { kind: string };\nexport const isLocal = ';

describe('the linter refuses', () => {
  test.each([
    ['an import upwards', 'src/machine/types.ts', "import '../study/index.js';", /imports go down/],
    [
      'an import that bypasses an index.ts',
      'src/study/plan.ts',
      "import '../stats/histogram.js';",
      /by its index\.ts/,
    ],
    ['the FFI library outside linux', 'src/load/index.ts', "import 'koffi';", /Only the module "linux"/],
    [
      'a process outside machine',
      'src/testbed/types.ts',
      "import 'node:child_process';",
      /Only the module "machine"/,
    ],
    [
      'a written file outside machine',
      'src/guest/kernel.ts',
      "import { writeFile } from 'node:fs/promises';\nvoid writeFile('x', '');",
      /Only the module "machine" writes files/,
    ],
    [
      'a deleted file outside machine',
      'src/cost/trace-file.ts',
      "import { rmSync } from 'node:fs';\nrmSync('x');",
      /Only the module "machine" writes files/,
    ],
    ['I/O in a pure module', 'src/network/types.ts', "import 'node:fs';", /pure module/],
    ['randomness in a pure module', 'src/stats/index.ts', 'export const x = Math.random();', /seeded source/],
    ['printing outside cli', 'src/study/plan.ts', "console.log('x');", /Unexpected console/],
    ['exiting outside cli', 'src/machine/types.ts', 'process.exit(1);', /Only cli exits/],
    [
      'a testbed compared by kind',
      'src/study/plan.ts',
      `${COMPARED}testbed.kind === 'netns';`,
      /ask the registry/,
    ],
    [
      'a testbed compared by inequality',
      'src/cli/main.ts',
      `${COMPARED}testbed.kind !== 'ssh';`,
      /ask the registry/,
    ],
    [
      'a switch over a kind of testbed',
      'src/report/document.ts',
      "declare const testbed: { kind: string };\nswitch (testbed.kind) { case 'vm': break; }",
      /ask the registry/,
    ],
    [
      'a kind of testbed in a spec',
      'src/study/spec.ts',
      "declare const spec: { testbed: { kind: string } };\nexport const x = spec.testbed.kind === 'vm';",
      /ask the registry/,
    ],
  ])('%s', async (_, file, code, message) => {
    expect(await lint(file, code)).toMatch(message);
  });
});

describe('the linter accepts', () => {
  test.each([
    ['an import downwards', 'src/study/plan.ts', "import '../stats/index.js';"],
    [
      'a file that is read',
      'src/guest/kernel.ts',
      "import { readFile } from 'node:fs/promises';\nvoid readFile('x');",
    ],
    [
      'results that are written',
      'src/study/results.ts',
      "import { open } from 'node:fs/promises';\nvoid open('x');",
    ],
    ['a comparison inside testbed', 'src/testbed/probe.ts', `${COMPARED}testbed.kind === 'netns';`],
  ])('%s', async (_, file, code) => {
    expect(await lint(file, code)).not.toMatch(/imports go down|index\.ts|writes files|ask the registry/);
  });
});
