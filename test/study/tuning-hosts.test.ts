import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { StudyRecord, Summary } from '../../src/schema/index.js';
import { Run, sleep } from '../cli/barewire.js';
import { PAIR, SshPair, type PairHost } from '../ssh-hosts.js';

vi.setConfig({ testTimeout: 180_000 });

const PROFILE =
  'extends: none\nknobs: { congestion-control: [reno], net.ipv4.ipfrag_time: 31, notrack: on }\n';
const FRAGMENTS = '/proc/sys/net/ipv4/ipfrag_time';

let hosts: SshPair;
beforeEach(() => {
  hosts = new SshPair();
  writeFileSync(join(hosts.folder, 'own.yaml'), PROFILE);
});
afterEach(() => hosts[Symbol.dispose]());

/** The congestion control of the server's connections, by its port. */
function readAlgorithms(into: Map<number, Set<string>>): void {
  const shown = hosts.on('db', 'ss', '-Htin', 'state', 'established');
  for (const [, port, name = ''] of shown.matchAll(
    /10\.97\.0\.2:(\d+) .*\n\s+(?:ts )?(?:sack )?([a-z_0-9]+) /g,
  ))
    into.set(Number(port), (into.get(Number(port)) ?? new Set()).add(name));
}

const state = (host: PairHost): string =>
  [
    hosts.on(host, 'cat', FRAGMENTS),
    hosts.on(host, 'ip', 'route'),
    hosts.on(host, 'nft', 'list', 'tables'),
  ].join('\n');

test('on two hosts that all arms share, each slice has the settings of its arm', async () => {
  const before = PAIR.map(state);
  const { folder, path } = hosts;
  const out = join(folder, 'results');
  const spec = { networks: ['host'], rates: [2000], restarts: 2, rounds: 3, slice: '300ms', seed: 3 };
  writeFileSync(join(folder, 'spec.json'), JSON.stringify({ ...spec, ablate: join(folder, 'own.yaml') }));
  const run = new Run(
    ['study', join(folder, 'spec.json'), '--testbed', 'ssh:web/eth0,db/eth0', '--out', out, '--yes'],
    ['env', `PATH=${path}`],
  );
  const algorithms = new Map<number, Set<string>>();
  const fragments = new Set<string>();
  const tables = new Set<string>();
  const ended = { is: false };
  void run.ended.then(() => (ended.is = true));
  while (!ended.is) {
    readAlgorithms(algorithms);
    fragments.add(hosts.on('web', 'cat', FRAGMENTS));
    tables.add(hosts.on('db', 'nft', 'list', 'tables'));
    await sleep(40);
  }
  const { status, stdout, stderr } = await run.ended;
  expect([0, 1], stderr).toContain(status);
  const read = (name: string): unknown => JSON.parse(readFileSync(join(out, name), 'utf8'));
  const { spec: resolved, tuned = [] } = read('study.json') as StudyRecord;
  expect([...fragments].sort()).toEqual(['30', '31']);
  expect([...tables].sort()).toEqual(['', 'table inet barewire-tuning']);
  // Each arm has a server of its own, whose connections were opened with the arm's algorithm.
  const arms = resolved.networks;
  for (const [port, names] of algorithms) expect([...names], String(port)).toHaveLength(1);
  for (const [at, arm] of arms.entries()) {
    const wanted = resolved.tuning?.arms[arm]?.['congestion-control'] ?? 'cubic';
    expect([...(algorithms.get(8_100 + at) ?? [])], arm).toEqual([wanted]);
  }
  expect([...(algorithms.get(8_081) ?? [])]).toEqual(['cubic']);
  expect(tuned.map(({ network, role }) => `${network} ${role}`).sort()).toEqual(
    arms.flatMap((arm) => (arm === 'host@none' ? [] : [`${arm} client`, `${arm} server`])).sort(),
  );
  const settings = tuned.flatMap((host) => host.settings);
  expect(settings.length).toBeGreaterThan(0);
  expect(settings.filter(({ holds }) => !holds)).toEqual([]);
  const shown = settings.filter(({ what }) => what === 'congestion control of the open connections');
  expect(new Set(shown.map(({ wanted }) => wanted))).toEqual(new Set(['reno']));
  const { networks } = read('summary.json') as Summary;
  expect(networks.map(({ name }) => name).sort()).toEqual([...arms].sort());
  for (const { name, cells } of networks) expect(cells.length, name).toBe(1);
  expect(stdout).toContain('What each knob buys');
  expect(PAIR.map(state)).toEqual(before);
  for (const host of PAIR) {
    expect(hosts.journals(host)).toEqual([]);
    expect(hosts.pids(host)).toBe('');
  }
});
