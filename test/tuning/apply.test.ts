import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { barewire, endRuns, Run, sleep, type Ended } from '../cli/barewire.js';
import { removeNetns } from '../machine/test-host.js';

vi.setConfig({ testTimeout: 120_000 });

const KILLS = 12;
/** About how long the steps of the profile take. */
const STEPS_MS = 60;
const NETNS = `tune-${process.pid}`;
const FIN = '/proc/sys/net/ipv4/tcp_fin_timeout';
const RPS = '/sys/class/net/eth0/queues/rx-0/rps_cpus';
const OWN =
  'extends: none\nknobs: { notrack: on, gro: on, tcp-fin-timeout: 10, rps: all, cpu-dma-latency: 1 }\n';

let folder: string;
let profile: string;

/** A host whose settings are those of a namespace: nothing of this machine is changed but what a process holds. */
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'barewire-tune-'));
  profile = join(folder, 'own.yaml');
  writeFileSync(profile, OWN);
  sh('ip', 'netns', 'add', NETNS);
  sh('ip', '-n', NETNS, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'peer');
});
afterEach(async () => {
  await endRuns();
  removeNetns(NETNS);
  rmSync(folder, { recursive: true });
});

const sh = (file: string, ...args: string[]): string => execFileSync(file, args, { encoding: 'utf8' });
const inHost = (...argv: string[]): string => sh('ip', 'netns', 'exec', NETNS, ...argv).trim();
const PREFIX = (): string[] => [
  'ip',
  'netns',
  'exec',
  NETNS,
  'env',
  `BAREWIRE_STATE=${join(folder, 'state')}`,
];
const tune = (...args: string[]): Promise<Ended> => barewire(['tune', ...args], PREFIX());
const journals = (): string[] => readdirSync(join(folder, 'state/journal'));
const holders = (): string =>
  sh('sh', '-c', 'for f in /proc/[0-9]*/fd/3; do readlink $f; done | grep -c cpu_dma_latency || true').trim();
const settings = (): string =>
  [
    inHost('cat', FIN),
    inHost('cat', RPS),
    inHost('nft', 'list', 'tables'),
    /generic-receive-offload: \S+/.exec(inHost('ethtool', '-k', 'eth0'))?.[0],
    holders(),
  ].join(' ');

describe('a profile', () => {
  test('a profile is applied, verified and restored to the values before', async () => {
    const before = settings();
    const applied = await tune('apply', profile, '--dev', 'eth0');
    expect(applied, applied.stderr).toMatchObject({ status: 0 });
    expect(applied.stdout).toContain(`${FIN} = 10 (before: 60)`);
    expect(settings()).toBe(`10 ${mask()} table inet barewire-tuning generic-receive-offload: on 1`);
    expect((await tune('verify')).status).toBe(0);
    const { stdout } = await tune('status', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ hosts: [{ kept: [{ label: 'own', rebooted: false }] }] });
    expect((await barewire(['undo'], PREFIX())).stdout).toContain('The tuning own of');
    expect((await tune('restore')).stdout).toContain('restored 5 of 5 settings');
    expect(settings()).toBe(before);
    expect(journals()).toEqual([]);
    expect((await tune('verify')).status).toBe(1);
  });

  test('a profile is refused while another one is applied', async () => {
    await tune('apply', profile, '--dev', 'eth0');
    const { status, stderr } = await tune('apply', profile, '--dev', 'eth0');
    expect(status).toBe(2);
    expect(stderr).toContain('tune restore');
    await tune('restore');
  });

  test('restore keeps a setting that another program has changed, reports it, and restores the others', async () => {
    await tune('apply', profile, '--dev', 'eth0');
    inHost('sysctl', '-qw', 'net.ipv4.tcp_fin_timeout=33');
    const { status, stdout } = await tune('verify');
    expect(status).toBe(1);
    expect(stdout).toContain(`CHANGED         ${FIN} is 33: wanted 10, before 60`);
    const restored = await tune('restore');
    expect(restored.stdout).toContain('restored 4 of 5');
    expect(restored.stdout).toContain(`${FIN} is 33: it was 60 before Barewire wrote 10`);
    expect(inHost('cat', FIN, RPS)).toBe('33\n0');
  });
});

/** The journal of an apply that runs; empty before its first step. */
function journalText(): string {
  try {
    return journals()
      .map((name) => readFileSync(join(folder, 'state/journal', name), 'utf8'))
      .join('');
  } catch {
    // The folder is not there yet.
    return '';
  }
}

test('an apply that is killed between its steps is restored by the next command', async () => {
  const before = settings();
  let interrupted = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const run = new Run(['tune', 'apply', profile, '--dev', 'eth0'], PREFIX());
    while (journalText() === '' && run.child.exitCode === null) await sleep(1);
    await sleep(Math.random() * STEPS_MS);
    run.signalGroup('SIGKILL');
    await run.ended;
    if (!journalText().includes('"kept"')) interrupted++;
    const restored = await tune('restore');
    expect(restored.status, restored.stderr).toBe(0);
    expect(settings(), `kill ${kill}`).toBe(before);
    expect(journals(), `kill ${kill}`).toEqual([]);
  }
  // The others were killed after their last step.
  expect(interrupted).toBeGreaterThanOrEqual(KILLS / 3);
});

describe('a failed apply changes nothing and reports the cause with its path', () => {
  test.each([
    [
      '/proc/sys is read-only',
      ['sh', '-c', 'mount -o bind,ro /proc/sys /proc/sys && exec "$@"', 'sh'],
      /EROFS|read-only/,
    ],
    [
      'there is no CAP_NET_ADMIN',
      ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin'],
      /not permitted|EPERM|EACCES/,
    ],
  ] as const)('%s', async (_name, prefix, reason) => {
    const before = settings();
    const { status, stderr } = await barewire(
      ['tune', 'apply', profile, '--dev', 'eth0'],
      [...PREFIX(), ...prefix],
    );
    expect(status).toBe(3);
    expect(stderr).toMatch(reason);
    expect(stderr).toMatch(/rps_cpus|tcp_fin_timeout|nft|ethtool/);
    expect(settings()).toBe(before);
    expect(journals()).toEqual([]);
  });

  test('the device does not exist', async () => {
    const { status, stderr } = await tune('apply', profile, '--dev', 'eth7');
    expect(status).toBe(2);
    expect(stderr).toContain('eth7');
  });
});

describe('without Barewire', () => {
  test('the script applies the plan, undoes it, and keeps a setting that another program has changed', async () => {
    const before = settings();
    const { stdout } = await tune('plan', profile, '--dev', 'eth0', '--as', 'script');
    const script = join(folder, 'tune.sh');
    writeFileSync(script, stdout);
    inHost('sh', script, 'apply');
    expect(settings()).toBe(`10 ${mask()} table inet barewire-tuning generic-receive-offload: on 1`);
    inHost('sh', script, 'undo');
    expect(settings()).toBe(before);
    inHost('sh', script, 'apply');
    inHost('sysctl', '-qw', 'net.ipv4.tcp_fin_timeout=33');
    inHost('sh', script, 'undo');
    expect(inHost('cat', FIN, RPS)).toBe('33\n0');
  });

  test('the script sets a queueing discipline, and removes it', async () => {
    const own = join(folder, 'queue.yaml');
    writeFileSync(own, 'knobs: { qdisc: tbf rate 12mbit burst 2000 limit 100000 }\n');
    const { stdout } = await tune('plan', own, '--dev', 'eth0', '--as', 'script');
    const script = join(folder, 'queue.sh');
    writeFileSync(script, stdout);
    const queue = (): string => inHost('tc', 'qdisc', 'show', 'dev', 'eth0', 'root');
    const before = queue();
    inHost('sh', script, 'apply');
    expect(queue()).toContain('tbf');
    inHost('sh', script, 'undo');
    expect(queue()).toBe(before);
  });

  test('sysctl, udev and tuned files have the settings that they support, and list the others', async () => {
    const print = async (format: string): Promise<string> =>
      (await tune('plan', profile, '--dev', 'eth0', '--as', format)).stdout;
    expect(await print('sysctl')).toMatch(/^net\/ipv4\/tcp_fin_timeout = 10$/m);
    expect(await print('sysctl')).toMatch(/^# not expressed here: rps: /m);
    expect(await print('udev')).toContain(
      `SUBSYSTEM=="net", KERNEL=="eth0", ATTR{queues/rx-0/rps_cpus}="${mask()}"`,
    );
    expect(await print('tuned')).toMatch(
      /\[cpu\]\nforce_latency=1\n\n\[sysctl\]\nnet\.ipv4\.tcp_fin_timeout=10/,
    );
  });
});

/** All CPUs of this machine as a mask. */
const mask = (): string => ((1n << BigInt(Number(sh('nproc', '--all')))) - 1n).toString(16);
