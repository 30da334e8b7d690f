import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockMachine } from '../../src/machine/index.js';
import { openTestHost, rejection, type TestHost } from './test-host.js';

let testHost: TestHost;
beforeEach(() => (testHost = openTestHost()));
afterEach(() => testHost[Symbol.dispose]());

test('a second holder gets the process, purpose and start time of the first', async () => {
  const before = new Date().toISOString().slice(0, 10);
  await using _lock = await lockMachine('study quick');
  const error = await rejection(lockMachine('undo'));
  expect(error).toMatchObject({ code: 'locked', fault: 'machine' });
  expect(error.message).toContain(`study quick, process ${process.pid}, since ${before}`);
});

test('a released lock can be taken again and leaves no file', async () => {
  for (let round = 0; round < 3; round++) {
    await using _lock = await lockMachine('study quick');
    expect(existsSync(join(testHost.folder, 'state/lock'))).toBe(true);
  }
  expect(existsSync(join(testHost.folder, 'state/lock'))).toBe(false);
});

test('one of many concurrent processes gets the lock', async () => {
  const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockMachine('study quick')));
  const held = tries.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  expect(held).toHaveLength(1);
  await held[0]?.[Symbol.asyncDispose]();
});

test('a lock whose holder was killed is free, whatever its file contains', async () => {
  await (await lockMachine('first'))[Symbol.asyncDispose]();
  const path = join(testHost.folder, 'state/lock');
  const holder = spawn('flock', ['-n', path, 'sh', '-c', 'echo held; exec sleep 1000'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  expect(await rejection(lockMachine('second'))).toMatchObject({ code: 'locked' });
  process.kill(-(holder.pid ?? 0), 'SIGKILL');
  await new Promise((resolve) => holder.once('close', resolve));
  await using _lock = await lockMachine('third');
});
