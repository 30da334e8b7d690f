import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { barewire, endRuns, Run, sleep, type Ended } from '../cli/barewire.js';
import { PAIR, SshPair, type PairHost } from '../ssh-hosts.js';

vi.setConfig({ testTimeout: 120_000 });

const FIN = '/proc/sys/net/ipv4/tcp_fin_timeout';
const OWN = 'extends: none\nknobs: { notrack: on, tcp-fin-timeout: 10, rps: all, cpu-dma-latency: 1 }\n';

let hosts: SshPair;
let profile: string;
beforeEach(() => {
  hosts = new SshPair();
  profile = join(hosts.folder, 'own.yaml');
  writeFileSync(profile, OWN);
});
afterEach(async () => {
  await endRuns();
  hosts[Symbol.dispose]();
});

const BOTH = ['--host', 'web', '--host', 'db'];
const environment = (): string[] => ['env', `PATH=${hosts.path}`];
const tune = (...args: string[]): Promise<Ended> => barewire(['tune', ...args], environment());
const journals = (): string[] => PAIR.flatMap((host) => hosts.journals(host));
const settings = (host: PairHost): string =>
  [
    hosts.on(host, 'cat', FIN, '/sys/class/net/eth0/queues/rx-0/rps_cpus'),
    hosts.on(host, 'nft', 'list', 'tables'),
  ].join('\n');

test('a profile is applied to both hosts, verified, and restored there', async () => {
  const before = PAIR.map(settings);
  const applied = await tune('apply', profile, '--dev', 'eth0', ...BOTH);
  expect(applied, applied.stderr).toMatchObject({ status: 0 });
  for (const host of PAIR) {
    expect(applied.stdout).toMatch(new RegExp(`^${host}: own, 4 settings$`, 'm'));
    expect(settings(host)).toMatch(/^10\n[^0]\d*\ntable inet barewire-tuning$/);
  }
  expect(applied.stdout).toContain('Restore with: barewire tune restore --host web --host db');
  hosts.on('db', 'sysctl', '-qw', 'net.ipv4.tcp_fin_timeout=33');
  const verified = await tune('verify', ...BOTH);
  expect(verified.status).toBe(1);
  expect(verified.stdout).toMatch(/^web: own since \S+: all 4 settings hold$/m);
  expect(verified.stdout).toMatch(/^db: own since \S+: 1 of 4 settings do not hold$/m);
  const { stdout } = await tune('status', '--json', '--host', 'db');
  expect(JSON.parse(stdout)).toMatchObject({ hosts: [{ host: 'db', kept: [{ label: 'own' }] }] });
  const restored = await tune('restore', ...BOTH);
  expect(restored.stdout).toMatch(/^web: restored 4 of 4 settings/m);
  expect(restored.stdout).toMatch(/^db: restored 3 of 4 settings/m);
  expect(restored.stdout).toContain(`${FIN} is 33: it was 60 before Barewire wrote 10`);
  expect(settings('web')).toBe(before[0]);
  expect(hosts.on('db', 'cat', FIN)).toBe('33');
  expect(journals()).toEqual([]);
});

test('where one host refuses, none is tuned', async () => {
  const before = PAIR.map(settings);
  // The second host has no such device any more.
  hosts.on('db', 'ip', 'link', 'set', 'eth0', 'down');
  hosts.on('db', 'ip', 'link', 'set', 'eth0', 'name', 'lan0');
  const { status, stderr } = await tune('apply', profile, '--dev', 'eth0', ...BOTH);
  expect([status, stderr]).toEqual([2, expect.stringContaining('eth0')]);
  hosts.on('db', 'ip', 'link', 'set', 'lan0', 'name', 'eth0');
  expect(PAIR.map(settings)).toEqual(before);
  // A value that the kernel of the second host refuses when the first one has its settings.
  hosts.on('db', 'nft', 'add', 'table', 'inet', 'barewire-tuning');
  const refused = await tune('apply', profile, '--dev', 'eth0', ...BOTH);
  expect(refused.status).not.toBe(0);
  expect(refused.stderr).toContain('barewire-tuning');
  expect(settings('web')).toBe(before[0]);
  expect(journals()).toEqual([]);
});

test('an apply that is killed leaves no host tuned', async () => {
  const before = PAIR.map(settings);
  const run = new Run(['tune', 'apply', profile, '--dev', 'eth0', ...BOTH], environment());
  while (PAIR.every((host) => settings(host) === before[PAIR.indexOf(host)]) && run.child.exitCode === null)
    await sleep(5);
  run.signalGroup('SIGKILL');
  expect((await run.ended).status).toBeNull();
  // The agents notice that their connection has closed, unless both were kept already.
  for (let waited = 0; waited < 10_000 && journals().length > 0; waited += 50) await sleep(50);
  expect(PAIR.map(settings)).toEqual(before);
  expect(journals()).toEqual([]);
});

test('a host that ssh cannot reach is named, and nothing is changed on the others', async () => {
  const before = settings('web');
  const { status, stderr } = await tune(
    'apply',
    profile,
    '--dev',
    'eth0',
    '--host',
    'web',
    '--host',
    'nowhere.invalid',
  );
  expect([status, stderr]).toEqual([3, expect.stringContaining('nowhere.invalid')]);
  expect(settings('web')).toBe(before);
  expect(hosts.journals('web')).toEqual([]);
});
