import { execFile } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  existsSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { barewire } from '../cli/barewire.js';
import { makeImages } from '../docker/images.js';
import { CLUSTER_WAS_ASKED, UNREACHABLE_KUBECONFIG } from '../cli/unreachable-cluster.js';
import { startNginx, type Nginx } from '../load/servers.js';

/** Every command of the documents is run, or the test fails because it does not know how. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 240_000 });

const ROOT = resolve(import.meta.dirname, '../..');
const DOCS = [
  'README.md',
  'METHODOLOGY.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8');

/** The lines of fenced blocks that are commands, without the explanation behind them. */
const commandsOf = (name: string): string[] =>
  [...read(name).matchAll(/^ *```\w*\n([^]*?)^ *```$/gm)].flatMap(([, block = '']) =>
    block
      .split('\n')
      .map((line) => line.trim().split(/ {2,}/)[0] ?? '')
      .filter((line) => /^(bin\/barewire|npm|node|kubectl) /.test(line)),
  );
const COMMANDS = [...new Set(DOCS.flatMap(commandsOf))];

let folder: string;
let nginx: Nginx;
beforeAll(async () => {
  nginx = await startNginx();
  folder = mkdtempSync(join(tmpdir(), 'barewire-docs-'));
  mkdirSync(join(folder, 'results'));
  const images = makeImages();
  for (const name of ['node', 'nginx'] as const) copyFileSync(images[name], join(folder, `${name}.tar`));
  images[Symbol.dispose]();
  writeFileSync(join(folder, 'kubeconfig'), UNREACHABLE_KUBECONFIG);
  process.env['KUBECONFIG'] = join(folder, 'kubeconfig');
  writeFileSync(join(folder, 'my-study.yaml'), 'networks: [host, macvlan]\nrates: [500]\n');
  const small = [
    '--networks',
    'host,flannel-host-gw',
    '--rates',
    '500',
    '--restarts',
    '1',
    '--rounds',
    '1',
    '--slice',
    '300ms',
  ];
  for (const name of ['base', 'new'])
    await barewire(['study', ...small, '--seed', '1', '--out', join(folder, 'results', name)]);
});
afterAll(async () => {
  delete process.env['KUBECONFIG'];
  rmSync(folder, { recursive: true });
  await nginx[Symbol.asyncDispose]();
});

/** How a documented command is run here: arguments that make it short, and the expected exit status and output. */
function runnable(args: readonly string[]): { args: string[]; status: number[]; stderr?: RegExp } {
  const there = args.map((arg) =>
    arg
      .replaceAll("'", '')
      .replace(/^results\/(mine|base|before)$/, join(folder, 'results/base'))
      .replace(/^(results\/new|results\/after|RESULTS)$/, join(folder, 'results/new'))
      .replace(/^(my-study\.yaml|comparison|node\.tar|nginx\.tar)$/, join(folder, '$1'))
      .replace(/^http:\/\/127\.0\.0\.1:8080\/$/, `http://127.0.0.1:${nginx.port}/f`),
  );
  switch (args[0] ?? '') {
    case 'study': {
      if (args.includes('--resume'))
        return { args: [...there, '--out', join(folder, 'results/base'), '--dry-run'], status: [0] };
      // test/kubernetes runs such studies on a cluster. Here their options are accepted, and the cluster is asked.
      if (args.includes('kubernetes'))
        return { args: [...there, '--dry-run'], status: [3], stderr: CLUSTER_WAS_ASKED };
      // The hosts of the examples do not exist: their names reach ssh.
      if (args.some((arg) => arg.startsWith('ssh:')))
        return { args: [...there, '--dry-run'], status: [3], stderr: /ssh could not connect to (web1|db1)/ };
      return { args: [...there, '--dry-run'], status: [0] };
    }
    case 'load':
      return { args: [...there, '--duration', '300ms'], status: [0] };
    case 'compare':
      return { args: there, status: [0, 1] };
    // Counting takes minutes and has tests of its own: here the last option is refused, after all others were accepted.
    case 'cost':
      return { args: [...there, '--repeats', '0'], status: [2], stderr: /--repeats must be/ };
    // test/cni checks plugins entirely.
    case 'cni':
      if (args.includes('./my-plugin')) return { args: there, status: [2], stderr: /net\.conflist/ };
      return { args: [...there, '--only', 'version.answer'], status: [0] };
    case 'doctor':
      return { args: there, status: [0, 1] };
    case 'undo':
      if (args.includes('kubernetes')) return { args: there, status: [3], stderr: CLUSTER_WAS_ASKED };
      return { args: there, status: [0] };
    // test/service runs nodes. Here no agent runs, and the last option of one is refused, after all others were accepted.
    case 'node':
      switch (args[1] ?? '') {
        case 'install':
          return {
            args: [...there, '--bin-dir', join(folder, 'bin'), '--conf-dir', join(folder, 'net.d')],
            status: [0],
          };
        case 'status':
          return {
            args: [...there, '--socket', join(folder, 'socket')],
            status: [3],
            stderr: /No agent answers/,
          };
        case 'adopt':
        case 'leave':
          return {
            args: [...there, '--healthz-port'],
            status: [2],
            stderr: /unknown option '--healthz-port'/,
          };
        default:
          return { args: [...there, '--healthz-port', 'x'], status: [2], stderr: /--healthz-port must be/ };
      }
    case 'kubernetes':
    case 'networks':
    case 'report':
    case 'tune':
      return { args: there, status: [0] };
    default:
      throw new Error(`no way to run: barewire ${args.join(' ')}`);
  }
}

/** Commands of kubectl, also behind a pipe. */
const KUBECTL = COMMANDS.flatMap((line) => line.split(' | ')).filter((line) => line.startsWith('kubectl '));
const kubectl = (args: readonly string[]) =>
  new Promise<{ status: number | null; stdout: string; stderr: string }>((done) => {
    const child = execFile('kubectl', [...args, '--request-timeout=5s'], (_, stdout, stderr) =>
      done({ status: child.exitCode, stdout, stderr }),
    );
    child.stdin?.end('{"apiVersion":"v1","kind":"List","items":[]}');
  });
const hasKubectl = (await kubectl(['version', '--client'])).status === 0;
if (!hasKubectl) console.error('Skipped: documented commands of kubectl, which is not installed.');

describe('a documented command', () => {
  test.each(COMMANDS.filter((line) => line.startsWith('bin/barewire')))('%s', async (line) => {
    // What a pipe leads to is run by itself.
    const { args, status, stderr } = runnable((line.split(' | ')[0] ?? '').split(' ').slice(1));
    const ended = await barewire(args);
    expect(status, ended.stderr).toContain(ended.status);
    if (stderr !== undefined) expect(ended.stderr).toMatch(stderr);
  });

  test.skipIf(!hasKubectl).each(KUBECTL)('%s', async (line) => {
    const { status, stdout, stderr } = await kubectl(line.split(' ').slice(1));
    if (line === 'kubectl config current-context') expect([status, stdout]).toEqual([0, 'unreachable\n']);
    // Its options are accepted, and the cluster is asked.
    else
      expect(stderr).toMatch(
        /connection to the server 127\.0\.0\.1:1 was refused|connect: connection refused/,
      );
  });

  test.each(COMMANDS.filter((line) => line.startsWith('npm')))('%s is a script of package.json', (line) => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    expect(Object.keys(scripts)).toContain(/^npm (?:run )?(\w+)/.exec(line)?.[1]);
  });

  test.each(COMMANDS.filter((line) => line.startsWith('node')))('%s is a file', (line) => {
    expect(existsSync(join(ROOT, line.split(' ')[1] ?? ''))).toBe(true);
  });
});

test('every option that the documents name is in a help text', async () => {
  const commands = [
    'study',
    'networks',
    'doctor',
    'load',
    'report',
    'compare',
    'cost',
    'undo',
    'kubernetes rbac',
    'cni check',
    'node',
    'node status',
    'node install',
    'node leave',
    'node adopt',
    'tune plan',
    'tune apply',
    'tune verify',
    'tune status',
    'tune restore',
  ];
  const help = (await Promise.all(commands.map((name) => barewire([...name.split(' '), '--help'])))).map(
    ({ stdout }) => stdout,
  );
  const known = new Set(help.join('\n').match(/--[a-z][a-z-]+/g));
  // Of docker, of programs that the text mentions, and of the past.
  for (const other of ['--net', '--blocks', '--selector']) known.add(other);
  for (const other of ['--network', '--input', '--bip', '--mtu', '--publish', '--reservation-type'])
    known.add(other);
  for (const other of ['--mac-address', '--privileged', '--security-opt']) known.add(other);
  for (const name of DOCS)
    for (const option of read(name).match(/(?<=[`\s])--[a-z][a-z-]+/g) ?? [])
      expect(known.has(option), `${name}: ${option}`).toBe(true);
});

test.each(DOCS)('every link of %s leads to a file', (name) => {
  for (const [, target = ''] of read(name).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g))
    if (!/^https?:/.test(target))
      expect(existsSync(join(ROOT, dirname(name), target)), `${name}: ${target}`).toBe(true);
});
