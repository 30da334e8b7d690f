import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { archiveImage, withArchives } from '../../src/testbed/docker/archive.js';
import { resolveImage } from '../../src/testbed/docker/images.js';
import { assertNothingLeft, snapshotMachine } from '../leaks.js';
import { makeImages } from './images.js';
import { startRegistry } from './registry.js';
import { dockerTraces } from './state.js';

vi.setConfig({ testTimeout: 120_000 });

let cache: string;
const before = process.env['XDG_CACHE_HOME'];
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'barewire-cache-'));
  process.env['XDG_CACHE_HOME'] = cache;
});
afterEach(() => {
  if (before === undefined) delete process.env['XDG_CACHE_HOME'];
  else process.env['XDG_CACHE_HOME'] = before;
  rmSync(cache, { recursive: true });
});

test('an archive is resolved to the image in it, and a reference stays', async () => {
  using images = makeImages();
  expect(await resolveImage(images.nginx)).toEqual({
    reference: 'barewire.test/nginx:1',
    archive: images.nginx,
  });
  expect(await resolveImage('nginx:stable')).toEqual({ reference: 'nginx:stable', archive: null });
  await expect(resolveImage('/nowhere/image.tar')).rejects.toMatchObject({ code: 'bad-input' });
  await expect(resolveImage('package.json.tar')).rejects.toMatchObject({ code: 'bad-input' });
});

test('an image is pulled into the cache once, without a trace of the daemon', async () => {
  using images = makeImages();
  const [machine, traces] = [await snapshotMachine(), dockerTraces()];
  const registry = await startRegistry(images.nginx);
  const { reference } = registry;
  try {
    await archiveImage(reference);
  } finally {
    await registry[Symbol.asyncDispose]();
  }
  await assertNothingLeft(machine);
  expect(dockerTraces()).toEqual(traces);
  const image = { reference, archive: null };
  const { archive } = withArchives({ client: image, server: image }).client;
  expect(existsSync(archive ?? '')).toBe(true);
  expect((await resolveImage(archive ?? '')).reference).toBe(reference);
  // The registry has gone: a second time would fail without the cache.
  await archiveImage(reference);
  await expect(archiveImage('127.0.0.1:1/test/image:2')).rejects.toMatchObject({
    code: 'process-failed',
    message: expect.stringContaining('Could not pull 127.0.0.1:1/test/image:2') as string,
  });
  await assertNothingLeft(machine);
});
