import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Ended } from './barewire.js';
import { makeResults } from './made-results.js';
import { CLUSTER_WAS_ASKED, UNREACHABLE_KUBECONFIG } from './unreachable-cluster.js';

const ROOT = resolve(import.meta.dirname, '../..');

/** Loaded before the program: records every native library that the process loads. */
const RECORDER = `
const { appendFileSync } = require("node:fs");
const { dlopen } = process;
process.dlopen = (module, file, ...rest) => {
  appendFileSync(process.env.LOADED, file + "\\n");
  return dlopen.call(process, module, file, ...rest);
};
`;

describe('an installation without the FFI library', () => {
  let folder: string;
  const at = (...names: string[]): string => join(folder, ...names);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'barewire-without-ffi-'));
    for (const name of ['bin', 'dist', 'package.json'])
      cpSync(join(ROOT, name), at(name), { recursive: true });
    writeFileSync(at('recorder.cjs'), RECORDER);
    writeFileSync(at('kubeconfig'), UNREACHABLE_KUBECONFIG);
    await makeResults(at('base'), { seed: 1, factors: { macvlan: 1.1 } });
    await makeResults(at('new'), { seed: 2, factors: { macvlan: 1.1 } });
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  beforeEach(() => writeFileSync(at('loaded'), ''));

  const run = (...args: readonly string[]): Promise<Ended> =>
    new Promise((done) => {
      const env = {
        ...process.env,
        NODE_OPTIONS: `--require ${at('recorder.cjs')}`,
        NODE_PATH: '',
        LOADED: at('loaded'),
        KUBECONFIG: at('kubeconfig'),
        BAREWIRE_STATE: at('state'),
      };
      const child = execFile(process.execPath, [at('bin/barewire'), ...args], { env }, (_, stdout, stderr) =>
        done({ status: child.exitCode, stdout, stderr }),
      );
    });
  const loaded = (): string => readFileSync(at('loaded'), 'utf8');

  it('has the library for hosts only, where this command does not look for it', () => {
    expect(existsSync(at('dist/native/koffi/package.json'))).toBe(true);
    expect(existsSync(at('node_modules'))).toBe(false);
  });

  it.each<[string, string[], RegExp]>([
    ['help', ['--help'], /Usage: barewire/],
    ['the help of a study', ['study', '--help'], /--image-pull-secret/],
    [
      'the roles of a study on a cluster',
      ['kubernetes', 'rbac', '--namespace', 'perf'],
      /kind: Role\n[^]*namespace: perf/,
    ],
    ['a report', ['report', 'FOLDER/base'], /macvlan/],
    ['a report in Markdown', ['report', 'FOLDER/base', '--format', 'markdown'], /macvlan/],
    ['a comparison', ['compare', 'FOLDER/base', 'FOLDER/new'], /macvlan/],
  ])('prints %s', async (_, args, output) => {
    const { status, stdout, stderr } = await run(...args.map((arg) => arg.replace('FOLDER', folder)));
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(output);
    expect(loaded()).toBe('');
  });

  it.each<[string, string[], RegExp]>([
    ['a cluster', ['study', '--testbed', 'kubernetes', '--yes'], CLUSTER_WAS_ASKED],
    ['what runs left on a cluster', ['undo', '--testbed', 'kubernetes'], CLUSTER_WAS_ASKED],
    [
      'hosts over ssh',
      ['study', '--testbed', 'ssh:web1.invalid,db1.invalid', '--dry-run'],
      /ssh could not connect to/,
    ],
  ])('reaches %s', async (_, args, message) => {
    const { status, stderr } = await run(...args, ...(args[0] === 'study' ? ['--out', at('results')] : []));
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('koffi');
    expect(status).toBe(3);
    expect(loaded()).toBe('');
  });

  it.each([
    ['a study on namespaces', ['study', '--networks', 'host', '--rates', '500', '--time', '5s']],
    ['an undo on this machine', ['undo']],
  ])('refuses %s with what to do', async (_, args) => {
    const { status, stdout, stderr } = await run(
      ...args,
      ...(args[0] === 'study' ? ['--out', at('results')] : []),
    );
    expect(stderr).toMatch(
      /^barewire: The library koffi, .* does not load .*\n {2}Install Barewire with its dependencies .*--testbed ssh:CLIENT,SERVER or kubernetes\.\n$/,
    );
    expect([status, stdout]).toEqual([3, '']);
  });
});
