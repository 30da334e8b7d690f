import { ESLint } from 'eslint';
import { describe, expect, it } from 'vitest';

/** A violation planted in a file of a room, linted as if it stood there. */
async function complaints(filePath: string, code: string): Promise<string> {
  const eslint = new ESLint();
  const results = await eslint.lintText(code, { filePath });
  return results.flatMap(({ messages }) => messages.map(({ message }) => message)).join('\n');
}

describe('the lint refuses', () => {
  it.each([
    ['an import that goes up', 'src/machine/types.ts', "import '../study/index.js';", /imports go down/],
    [
      'an import past a room’s index',
      'src/study/plan.ts',
      "import '../stats/histogram.js';",
      /index\.ts and nothing else/,
    ],
    ['the FFI library outside linux', 'src/load/index.ts', "import 'koffi';", /Only the room "linux"/],
    [
      'a process started outside machine',
      'src/testbed/types.ts',
      "import 'node:child_process';",
      /Only the room "machine"/,
    ],
    ['I/O in a pure room', 'src/network/types.ts', "import 'node:fs';", /pure room/],
    ['chance in a pure room', 'src/stats/index.ts', 'export const x = Math.random();', /seeded source/],
    ['printing outside cli', 'src/study/plan.ts', "console.log('x');", /Unexpected console/],
    ['an exit outside cli', 'src/machine/types.ts', 'process.exit(1);', /Only cli exits/],
  ])('%s', async (_, file, code, message) => {
    expect(await complaints(file, code)).toMatch(message);
  });

  it('nothing in an import that goes down', async () => {
    expect(await complaints('src/study/plan.ts', "import '../stats/index.js';")).not.toMatch(
      /imports go down|index\.ts and/,
    );
  });
});
