import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { barewire, Run, sleep } from '../cli/barewire.js';

/** The claims of README.md, "What does it change on my machine?". */
vi.setConfig({ testTimeout: 120_000 });

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'barewire-safety-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const STUDY = [
  '--networks',
  'host,flannel-vxlan,macvlan',
  '--rates',
  '500',
  '--restarts',
  '1',
  '--rounds',
  '1',
  '--slice',
  '400ms',
];

/** Counters and clocks under /proc/sys/net that change by themselves. */
const CHANGING = /\/(?:stat|nf_conntrack_count|error_cost|msg_burst|flush)$/;

function readSettings(path: string): string[] {
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const child = join(path, entry.name);
    if (entry.isDirectory()) return readSettings(child);
    if (CHANGING.test(child)) return [];
    try {
      return [`${child}=${readFileSync(child, 'utf8').trim()}`];
    } catch {
      // Write-only.
      return [];
    }
  });
}

const run = (program: string, ...args: readonly string[]): string => {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return `no ${program}`;
  }
};

/** The network configuration of the machine's own namespace. */
const readOwnNetwork = (): Record<string, unknown> => ({
  links: run('ip', '-o', 'link'),
  addresses: run('ip', '-o', 'addr').replace(/(valid|preferred)_lft \w+/g, ''),
  routes: run('ip', 'route', 'show', 'table', 'all') + run('ip', '-6', 'route', 'show', 'table', 'all'),
  rules: run('ip', 'rule') + run('ip', '-6', 'rule'),
  firewall: run('nft', 'list', 'ruleset') + run('iptables-save').replace(/^#.*$/gm, ''),
  settings: readSettings('/proc/sys/net'),
});

test("a study on namespaces changes nothing in the machine's own network, also while it runs", async () => {
  const before = readOwnNetwork();
  const namespaces = new Set<string>();
  const study = new Run(['study', ...STUDY, '--out', join(folder, 'results')]);
  const state = { isOver: false };
  void study.ended.then(() => (state.isOver = true));
  let samples = 0;
  while (!state.isOver) {
    expect(readOwnNetwork()).toEqual(before);
    for (const name of readNames('/run/netns')) namespaces.add(name);
    samples++;
    await sleep(50);
  }
  expect((await study.ended).stderr).not.toContain('barewire:');
  expect(samples).toBeGreaterThan(5);
  expect([...namespaces].filter((name) => /^bw-[a-z0-9]+-(client|server)/.test(name)).length).toBeGreaterThan(
    2,
  );
  expect(readOwnNetwork()).toEqual(before);
});

test('a study leaves only its results directory', async () => {
  const before = [
    readNames('/run/netns'),
    readNames('/run/barewire'),
    readNames('/var/lib/barewire/journal'),
  ];
  await barewire(['study', ...STUDY, '--out', join(folder, 'results')]);
  expect([
    readNames('/run/netns'),
    readNames('/run/barewire'),
    readNames('/var/lib/barewire/journal'),
  ]).toEqual(before);
  expect(readdirSync(folder)).toEqual(['results']);
});

test('a study on ssh hosts prints the hosts and the load, and requires --yes without a terminal', async () => {
  const { status, stderr } = await barewire(['study', '--testbed', 'ssh:web1,db1', '--rates', '5k']);
  expect(status).toBe(2);
  expect(stderr).toContain('Hosts: client web1, server db1');
  expect(stderr).toMatch(/up to 5000 requests\/s, [\d.]+ MB\/s/);
  expect(stderr).toContain('Add --yes');
});

function readNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
