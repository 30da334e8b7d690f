import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { arch, homedir, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 300_000 });

const ROOT = resolve(import.meta.dirname, '../..');
/** Beside the one that runs the tests, which is the oldest supported one in CI. */
const CURRENT_LTS = '26';
/** The npm registry has each release of Node as a package of one program. */
const cache = join(homedir(), '.cache/barewire/test-node', CURRENT_LTS);
const current = join(cache, `node_modules/node-linux-${arch()}/bin/node`);

const npm = (args: readonly string[], cwd: string): string =>
  execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd, encoding: 'utf8' });

let folder: string;
let tarball: string;
let server: Server;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'barewire-package-'));
  server = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1');
  // Some versions of npm print the output of the build first.
  const lines = npm(['pack', '--silent', '--pack-destination', folder], ROOT).trim().split('\n');
  tarball = join(folder, lines.at(-1)!);
  const empty = join(folder, 'empty');
  mkdirSync(empty);
  npm(['install', '--prefix', empty, tarball], empty);
  if (!existsSync(current)) {
    mkdirSync(cache, { recursive: true });
    npm(['install', '--prefix', cache, `node-linux-${arch()}@${CURRENT_LTS}`], cache);
  }
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `npx barewire ARGS` in the folder that has nothing but the package. */
const npx = (node: string, ...args: readonly string[]): Promise<Ended> =>
  new Promise((done) => {
    const env = { ...process.env, PATH: `${dirname(node)}:${process.env['PATH'] ?? ''}` };
    const child = execFile(
      'npx',
      ['--no-install', 'barewire', ...args],
      { cwd: join(folder, 'empty'), env },
      (_, stdout, stderr) => done({ status: child.exitCode, stdout, stderr }),
    );
  });

test('the package has what runs and what is read, and no source maps', () => {
  const files = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n');
  for (const name of ['bin/barewire', 'dist/agent.mjs', 'README.md', 'CHANGELOG.md'])
    expect(files).toContain(`package/${name}`);
  expect(files.filter((name) => /\.map$|^package\/(?:src|test)\/|fixture-/.test(name))).toEqual([]);
  // What the README says.
  expect(statSync(tarball).size).toBeLessThan(3.5e6);
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: object;
  };
  expect(Object.keys(dependencies)).toEqual(['koffi']);
});

describe.each([
  ['the Node of the tests', process.execPath],
  [`Node ${CURRENT_LTS}`, current],
])('by npx with %s', (_, node) => {
  const version = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string })
    .version;

  test('it says its version', async () => {
    expect(await npx(node, '--version')).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('it explains the networks of this machine', async () => {
    const { status, stdout, stderr } = await npx(node, 'networks', '--json');
    expect(status, stderr).toBe(0);
    expect(JSON.stringify(JSON.parse(stdout))).toContain('flannel-host-gw');
  });

  test('it loads a server: threads and the FFI library work', async () => {
    const { port } = server.address() as AddressInfo;
    const { status, stdout, stderr } = await npx(
      node,
      'load',
      `http://127.0.0.1:${port}/`,
      '--rate',
      '500',
      '--duration',
      '1s',
      '--json',
    );
    expect(status, stderr).toBe(0);
    expect(stdout).toContain('p50');
  });
});
