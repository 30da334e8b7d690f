import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectAgent, openJournals, undoAll, type Machine } from '../../src/machine/index.js';
import { normalizeSetting, SETTING_PATH, writableSetting, type Step } from '../../src/schema/index.js';
import { connectTestHost, rejection, sh, sysctl, type ConnectedHost, type TestHost } from './test-host.js';

let connected: ConnectedHost;
let testHost: TestHost;
let machine: Machine;
beforeEach(async () => {
  connected = await connectTestHost();
  ({ testHost, machine } = connected);
});
afterEach(() => connected[Symbol.asyncDispose]());

/** `ip netns exec` shows the namespace's own links in /sys. */
const inHost = (...argv: string[]): string =>
  execFileSync('ip', ['netns', 'exec', testHost.netns, ...argv], { encoding: 'utf8' }).trim();
const read = (path: string): string => inHost('cat', path);
const processesInHost = () =>
  sh('ip', 'netns', 'pids', testHost.netns)
    .split('\n')
    .filter(Boolean)
    .map((pid) => ({ pid, args: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ') }));

const setting = (path: string, value: string): Step => ({
  why: `set ${path}`,
  do: { kind: 'setting', netns: null, path, value },
  undo: { kind: 'setting', netns: null, path },
});
const feature = (name: string, value: 'on' | 'off'): Step => ({
  why: `switch ${name}`,
  do: { kind: 'feature', netns: null, link: 'eth0', feature: name, value },
  undo: { kind: 'feature', netns: null, link: 'eth0', feature: name },
});
const table: Step = {
  why: 'do not track connections',
  do: {
    kind: 'nftables',
    netns: null,
    table: 'barewire-test',
    chains: [
      'chain prerouting { type filter hook prerouting priority raw; tcp dport 8080 notrack; }',
      'chain output { type filter hook output priority raw; tcp sport 8080 notrack; }',
    ],
  },
  undo: { kind: 'nftables', netns: null, table: 'barewire-test' },
};

const FIN = '/proc/sys/net/ipv4/tcp_fin_timeout';
const RPS = '/sys/class/net/eth0/queues/rx-0/rps_cpus';

describe('settings', () => {
  test('a sysctl and a setting of a link in /sys are written in the host and restored', async () => {
    const ofMachine = readFileSync(FIN, 'utf8');
    await machine.apply([setting(FIN, '10'), setting(RPS, '2')]);
    expect([read(FIN), read(RPS), readFileSync(FIN, 'utf8')]).toEqual(['10', '2', ofMachine]);
    const { changed } = await machine.undo();
    expect([read(FIN), read(RPS), changed]).toEqual(['60', '0', []]);
  });

  test('undo keeps a setting that another program has changed, and reports its three values', async () => {
    await machine.apply([setting(FIN, '10'), setting(RPS, '2')]);
    inHost('sysctl', '-qw', 'net.ipv4.tcp_fin_timeout=33');
    const { changed } = await machine.undo();
    expect(changed).toEqual([{ path: FIN, before: '60', written: '10', found: '33' }]);
    expect([read(FIN), read(RPS)]).toEqual(['33', '0']);
  });

  test('undo keeps a sysctl that another program has changed', async () => {
    await machine.apply([sysctl('net.ipv4.tcp_fin_timeout', '10')]);
    inHost('sysctl', '-qw', 'net.ipv4.tcp_fin_timeout=33');
    expect((await machine.undo()).changed).toHaveLength(1);
    expect(read(FIN)).toBe('33');
  });

  test('a value that the kernel refuses is an error, and undo restores the settings before it', async () => {
    const error = await rejection(machine.apply([setting(FIN, '10'), setting(RPS, 'x')]));
    expect(error).toMatchObject({ code: 'step-failed' });
    expect(error.message).toContain(RPS);
    expect((await machine.undo()).changed).toEqual([]);
    expect([read(FIN), read(RPS)]).toEqual(['60', '0']);
  });

  test('a value that the kernel replaces is an error with the new value, and is restored at once', async () => {
    const path = '/sys/class/net/eth0/queues/rx-0/rps_flow_cnt';
    const error = await rejection(machine.apply([setting(path, '1000')]));
    expect(error.message).toContain('the kernel keeps "1024"');
    expect(read(path)).toBe('0');
    expect((await machine.undo()).changed).toEqual([]);
  });

  test('undo accepts that the link of a setting is gone', async () => {
    await machine.apply([setting(RPS, '2')]);
    inHost('ip', 'link', 'del', 'eth0');
    expect((await machine.undo()).changed).toEqual([]);
  });

  test('settings, features and tables of a killed agent are restored from its journal', async () => {
    await machine.apply([
      setting(FIN, '10'),
      setting(RPS, '2'),
      feature('generic-receive-offload', 'on'),
      table,
    ]);
    const agent = processesInHost().find(({ args }) => args.includes('agent.mjs'));
    process.kill(Number(agent?.pid), 'SIGKILL');
    await machine[Symbol.asyncDispose]();
    await undoAll();
    expect([read(FIN), read(RPS)]).toEqual(['60', '0']);
    expect(inHost('ethtool', '-k', 'eth0')).toContain('generic-receive-offload: off');
    expect(inHost('nft', 'list', 'tables')).toBe('');
  });
});

describe('kept settings', () => {
  const HOLDS: Step = {
    why: 'keep CPUs awake',
    do: {
      kind: 'process',
      name: 'holds /dev/null',
      netns: null,
      argv: ['sh', '-c', 'exec 3>/dev/null; exec sleep 1000'],
      cpus: [],
    },
    undo: { kind: 'process', name: 'holds /dev/null' },
  };

  test('kept settings outlive the agent, undo of killed runs skips them, and undoKept restores them', async () => {
    await machine.apply([setting(FIN, '10'), HOLDS, table]);
    await machine.keep('latency');
    await machine[Symbol.asyncDispose]();
    expect(await openJournals()).toEqual([]);
    expect(await undoAll()).toEqual([]);
    expect(read(FIN)).toBe('10');

    expect(processesInHost().map(({ args }) => args)).toEqual(['sleep 1000 ']);

    await using other = await connectAgent({ run: 'other', host: 'server', netns: testHost.netns });
    expect(await other.environment()).toMatchObject({ tuning: 'latency' });
    inHost('sysctl', '-qw', 'net.ipv4.tcp_fin_timeout=33');
    const [kept] = await other.listKept();
    expect(kept).toMatchObject({ label: 'latency', run: testHost.run, rebooted: false });
    expect(
      kept?.settings.map(({ what, wanted, before, found, holds }) => [what, wanted, before, found, holds]),
    ).toEqual([
      [FIN, '10', '60', '33', false],
      ['/dev/null', 'held open', 'not held', 'held open', true],
      ['table barewire-test of nftables', 'present', 'absent', 'present', true],
    ]);
    const [undone] = await other.undoKept();
    expect(undone).toMatchObject({
      run: testHost.run,
      steps: 3,
      changed: [{ found: '33' }],
    });
    expect(inHost('nft', 'list', 'tables')).toBe('');
    expect(await other.listKept()).toEqual([]);
    expect(processesInHost().filter(({ args }) => args.startsWith('sleep'))).toEqual([]);
  });

  test('verify compares applied settings with the kernel', async () => {
    await machine.apply([setting(RPS, '2')]);
    expect(await machine.verify()).toMatchObject([{ what: RPS, before: '0', found: '2', holds: true }]);
    inHost('ip', 'link', 'del', 'eth0');
    expect(await machine.verify()).toMatchObject([{ what: RPS, found: null, holds: false, changers: [] }]);
  });
});

test('a feature of a link is switched and restored', async () => {
  const gro = (): string =>
    /generic-receive-offload: (\S+)/.exec(inHost('ethtool', '-k', 'eth0'))?.[1] ?? 'none';
  expect(gro()).toBe('off');
  await machine.apply([feature('generic-receive-offload', 'on')]);
  expect(gro()).toBe('on');
  await machine.undo();
  expect(gro()).toBe('off');
  const error = await rejection(machine.apply([feature('tx-checksum-sctp-wrong', 'on')]));
  expect(error.message).toContain('tx-checksum-sctp-wrong');
});

describe('a table of nftables', () => {
  test('a table of nftables is created and removed', async () => {
    await machine.apply([table]);
    expect(inHost('nft', 'list', 'ruleset')).toContain('tcp dport 8080 notrack');
    await machine.undo();
    expect(inHost('nft', 'list', 'ruleset')).toBe('');
  });

  test('a table of nftables that exists is refused and stays as it is', async () => {
    inHost('nft', 'add', 'table', 'inet', 'barewire-test');
    const error = await rejection(machine.apply([table]));
    expect(error.message).toContain("exists and is not Barewire's");
    await machine.undo();
    expect(inHost('nft', 'list', 'tables')).toBe('table inet barewire-test');
  });
});

describe('two texts of one setting', () => {
  test.each([
    ['/sys/class/net/eth0/queues/rx-0/rps_cpus', '00000000,000000f0', 'f0'],
    ['/proc/irq/3/smp_affinity', '1,00000001', '0001,1'],
    ['/sys/kernel/mm/transparent_hugepage/enabled', 'always madvise [never]', 'never'],
    ['/proc/sys/net/ipv4/tcp_rmem', '4096\t131072\t6291456', '4096 131072 6291456'],
    ['/proc/irq/3/smp_affinity_list', '3,0-1', '0,1,3'],
  ])('two texts of the same value of %s are equal', (path, kernel, written) => {
    expect(normalizeSetting(path, kernel)).toBe(normalizeSetting(path, written));
  });

  test('masks that differ in one CPU are different', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 96n - 1n), fc.nat(95), (mask, cpu) => {
        const print = (value: bigint): string =>
          value
            .toString(16)
            .padStart(24, '0')
            .replace(/(.{8})(?=.)/g, '$1,');
        const path = '/sys/class/net/eth0/queues/rx-0/rps_cpus';
        expect(normalizeSetting(path, print(mask))).toBe(mask.toString(16));
        expect(normalizeSetting(path, print(mask ^ (1n << BigInt(cpu))))).not.toBe(mask.toString(16));
      }),
    );
  });

  test('a choice is restored by its selected word', () => {
    expect(writableSetting('always [madvise] never\n')).toBe('madvise');
  });
});

test('a setting is a path below /proc/sys, /proc/irq or /sys without . and ..', () => {
  expect(SETTING_PATH.test('/proc/sys/net/ipv4/tcp_fin_timeout')).toBe(true);
  expect(SETTING_PATH.test('/sys/class/net/eth0.5/queues/rx-0/rps_cpus')).toBe(true);
  for (const path of ['/etc/passwd', '/proc/sys/../../etc/passwd', '/sys/./x', '/proc/sys/', '/sys//x'])
    expect(SETTING_PATH.test(path), path).toBe(false);
});
