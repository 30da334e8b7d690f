import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openMachine } from '../../src/machine/index.js';
import type { Step } from '../../src/schema/index.js';
import { openTestHost, type TestHost } from './test-host.js';

let testHost: TestHost;
beforeEach(() => {
  testHost = openTestHost();
});
afterEach(() => testHost[Symbol.dispose]());

test('a private key is readable by its owner only, is in no journal, and is removed by undo', async () => {
  const path = join(testHost.folder, 'key');
  const step: Step = {
    why: 'Make a key.',
    do: { kind: 'key', path },
    undo: { kind: 'file', path },
  };
  await using machine = await openMachine({ run: testHost.run, host: 'host', netns: null });
  await machine.apply([step]);
  const key = readFileSync(path, 'utf8').trim();
  expect(key).toMatch(/^[A-Za-z0-9+/]{43}=$/);
  expect((statSync(path).mode & 0o777).toString(8)).toBe('600');
  const journals = join(testHost.folder, 'state', 'journal');
  const written = readdirSync(journals).map((name) => readFileSync(join(journals, name), 'utf8'));
  expect(written.join('')).toContain(path);
  expect(written.join('')).not.toContain(key);
  await machine.undo();
  expect(existsSync(path)).toBe(false);
});
