import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import stringWidth from 'string-width';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KNOBS } from '../../src/tuning/index.js';
import { barewire } from '../cli/barewire.js';
import { tableRows } from '../docs/table-rows.js';
import { machineTree, writeTree } from './machine-tree.js';
import { MACHINES } from './machines.js';

let tree: ReturnType<typeof writeTree>;
let folder: string;
beforeAll(() => {
  tree = writeTree(machineTree(MACHINES.article));
  folder = mkdtempSync(join(tmpdir(), 'barewire-profiles-'));
  writeFileSync(join(folder, 'own.yaml'), 'extends: latency\nknobs: { swappiness: 1, rps: 1-3 }\n');
  writeFileSync(join(folder, 'wrong.yaml'), 'knobs:\n  swapiness: 1\n');
  mkdirSync(join(folder, 'empty'));
});
afterAll(() => {
  tree[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

const onArticle = (...args: readonly string[]) =>
  barewire(['tune', 'plan', '--sysroot', tree.root, '--dev', 'eth0', ...args]);

test('prints a plan for a recorded machine as data', async () => {
  const { status, stdout } = await onArticle('article-2015', '--connections', '60000', '--json');
  expect(status).toBe(0);
  const plan = JSON.parse(stdout) as {
    settings: { path: string; value: string; reason: string }[];
    notApplicable: { knob: string; finding: { code: string; text: string } }[];
    conflicts: { text: string }[];
  };
  expect(Object.keys(plan)).toEqual(['settings', 'notApplicable', 'conflicts']);
  expect(plan.settings).toContainEqual(
    expect.objectContaining({
      path: '/sys/class/net/eth0/queues/rx-0/rps_cpus',
      value: '00000000,0003fdfe',
      reason: 'CPUs 1-8,10-17: one thread of each core without those of the interrupts (CPUs 0,9)',
    }),
  );
  expect(plan.notApplicable.map(({ knob }) => knob)).toContain('tcp-fin-timeout');
  expect(plan.conflicts.map(({ text }) => text)).toContain(
    'CPUs 0,9 serve interrupts and are left out by RPS, but the server and the generator run there too.',
  );
});

test.each([
  [['tune']],
  [['tune', 'plan', 'latency']],
  [['tune', 'plan', 'article-2015']],
  [['doctor', '--topology']],
])('%j prints at most 100 columns', async (args) => {
  const { status, stdout } = await barewire([
    ...args,
    ...(args.length === 1 ? [] : ['--sysroot', tree.root]),
    ...(args[1] === 'plan' ? ['--dev', 'eth0'] : []),
  ]);
  expect(status).toBe(0);
  for (const line of stdout.split('\n')) expect(stringWidth(line), line).toBeLessThanOrEqual(100);
});

test('draws cores, queues and interrupts', async () => {
  const { stdout } = await barewire(['doctor', '--topology', '--sysroot', tree.root]);
  expect(stdout).toContain('36 CPUs, 18 cores, 2 NUMA nodes');
  expect(stdout).toContain('0+18 1+19');
  expect(stdout).toMatch(/rx-1 +interrupt 266 eth0-TxRx-1 → CPUs 0-35; RPS off/);
});

test('plans for this machine', async () => {
  const { status, stdout } = await barewire(['tune', 'plan', 'none']);
  expect([status, stdout]).toEqual([0, 'This profile sets nothing here.\n']);
});

test('uses a profile of a file, and the CPUs of the testbed', async () => {
  const { stdout } = await onArticle(join(folder, 'own.yaml'), '--server-cpus', '2-5', '--json');
  expect(JSON.parse(stdout)).toMatchObject({
    settings: expect.arrayContaining([
      expect.objectContaining({ path: '/proc/sys/vm/swappiness', value: '1' }),
      expect.objectContaining({ knob: 'rps', value: '00000000,0000000e' }),
      expect.objectContaining({ knob: 'server-affinity', value: '2-5' }),
    ]) as unknown,
  });
});

describe('is refused', () => {
  test.each([
    ['an unknown profile', ['article-2016'], /unknown profile "article-2016"[^]*article-2015/],
    ['a file that does not exist', ['none.yaml'], /Could not read the profile none\.yaml/],
    ['a folder that is no machine', ['latency', '--sysroot', 'FOLDER/empty'], /is not a recorded machine/],
    ['a profile with a mistake', ['FOLDER/wrong.yaml'], /wrong\.yaml:2:3: unknown knob "swapiness"/],
    ['an unknown device', ['latency', '--dev', 'eth9'], /no network device eth9[^]*eth0/],
    ['no connections', ['latency', '--connections', '0'], /--connections must be a whole number from 1/],
    [
      'a port that is none',
      ['latency', '--port', '80,x'],
      /--port must be a whole number from 1 to 65535, got "x"/,
    ],
    ['CPUs that are none', ['latency', '--server-cpus', '3-1'], /--server-cpus must be a list of CPUs/],
    ['CPUs that do not exist', ['latency', '--server-cpus', '99'], /99 leaves no CPU/],
  ])('%s', async (_, args, message) => {
    const { status, stdout, stderr } = await onArticle(...args.map((arg) => arg.replace('FOLDER', folder)));
    expect(stderr).toMatch(message);
    expect([status, stdout]).toEqual([2, '']);
  });

  test('--sysroot without --topology', async () => {
    const { status, stderr } = await barewire(['doctor', '--sysroot', '/']);
    expect([status, stderr]).toEqual([2, expect.stringContaining('--sysroot requires --topology')]);
  });
});

test('docs/tuning.md lists every knob as the code declares it', () => {
  const text = readFileSync(resolve(import.meta.dirname, '../../docs/tuning.md'), 'utf8');
  const when = {
    live: 'at once',
    'new-connections': 'for new connections',
    'process-start': 'when a process starts',
    boot: 'after a reboot',
  };
  expect(tableRows(text).slice(2)).toEqual(
    KNOBS.map(
      ({ name, what, values, scope }) =>
        `\`${name}\` | ${what} | ${values.usage} | ${scope.where} | ${when[scope.takesEffect]}`,
    ),
  );
});
