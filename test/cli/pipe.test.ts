import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { preset, resolveSpec, ResultsDirectory } from '../../src/study/index.js';

const BAREWIRE = resolve(import.meta.dirname, '../../bin/barewire');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'barewire-pipe-'));
  const facts = Array.from({ length: 5_000 }, (_, at) => [`fact${at}`, 'x'.repeat(40)]);
  await new ResultsDirectory(folder).create({
    schema: 2,
    version: '0.1.0',
    startedAt: '2026-01-01T00:00:00.000Z',
    spec: resolveSpec(preset('quick'), 'test', {}, () => 1),
    networks: [],
    referenceMaxRps: { '350B': 1_000 },
    limitations: [],
    environment: { client: Object.fromEntries(facts) as Record<string, string> },
  });
});
afterAll(() => rm(folder, { recursive: true }));

/** What a report of more than a pipe holds leaves at the end of a shell's pipe, or in a file. */
const report = (to: string) =>
  spawnSync('bash', ['-c', `"${process.execPath}" "${BAREWIRE}" report "${folder}" --json ${to}`], {
    encoding: 'utf8',
    maxBuffer: 2 ** 24,
  });

test('output larger than a pipe reaches a slow reader completely', () => {
  const { stdout } = report('| (sleep 1; cat)');
  expect(stdout.length).toBeGreaterThan(200_000);
  expect(JSON.parse(stdout)).toMatchObject({ schema: 2 });
});

test('a reader that closes early is no error', () => {
  expect(report('| head -1; echo ${PIPESTATUS[0]}')).toMatchObject({ stdout: '{\n0\n', stderr: '' });
});

test('a full disk is an error, and is named', () => {
  const { status, stderr } = report('> /dev/full');
  expect([status, stderr]).toEqual([
    1,
    expect.stringMatching(/^barewire: The output is incomplete: ENOSPC.*\n$/),
  ]);
});

test('a limit of this machine is no bug: it is named with the remedy', () => {
  const line = `ulimit -f 0; exec "${process.execPath}" "${BAREWIRE}" networks`;
  const { status, stderr } = spawnSync('bash', ['-c', line], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([
    3,
    expect.stringMatching(
      /^barewire: The system refused to write: EFBIG: .*\n {2}Raise the limit of file sizes: ulimit -f/,
    ),
  ]);
});
