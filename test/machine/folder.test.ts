import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeFolder } from '../../src/machine/index.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'barewire-folder-'))));
afterEach(() => rmSync(folder, { recursive: true }));

test('makes the missing parents, and leaves what is there', () => {
  makeFolder(join(folder, 'a/b/c'), 0o700);
  makeFolder(join(folder, 'a/b/c'));
  expect(statSync(join(folder, 'a/b/c')).mode & 0o777).toBe(0o700);
});

// Where mkdir(2) says ENOENT although the parent exists, a recursive mkdir of Node never ends.
test('a file system that takes no new names is named', () => {
  expect(() => makeFolder('/proc/barewire/state')).toThrow(
    expect.objectContaining({
      code: 'disk',
      message: 'The folder /proc/barewire could not be made: its file system takes no new names.',
    }),
  );
});

test('a file or a broken link in the path is named', () => {
  writeFileSync(join(folder, 'file'), '');
  expect(() => makeFolder(join(folder, 'file/x'))).toThrow(
    /file\/x could not be made: a part of its path is not/,
  );
  symlinkSync('/nowhere', join(folder, 'link'));
  expect(() => makeFolder(join(folder, 'link'))).toThrow(/link could not be made/);
  expect(existsSync('/nowhere')).toBe(false);
});
