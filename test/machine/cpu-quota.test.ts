import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { findThrottling, parseThrottling, readCpuQuota } from '../../src/linux/index.js';
import { openMachine } from '../../src/machine/index.js';
import { noQuota, withQuota } from '../cli/cpu-quota.js';

const quotaIn = (files: Readonly<Record<string, string>>) => readCpuQuota((path) => files[path] ?? null);

describe('a CPU quota', () => {
  test.each<[string, Record<string, string>, ReturnType<typeof readCpuQuota>]>([
    ['is absent without control groups', {}, null],
    [
      'is absent without a limit',
      { '/proc/self/cgroup': '0::/a.slice\n', '/sys/fs/cgroup/a.slice/cpu.max': 'max 100000\n' },
      null,
    ],
    [
      'of the own group of version 2',
      {
        '/proc/self/cgroup': '0::/user.slice/a.scope\n',
        '/sys/fs/cgroup/user.slice/a.scope/cpu.max': '150000 100000\n',
        '/sys/fs/cgroup/user.slice/a.scope/cpu.stat':
          'usage_usec 5\nnr_periods 90\nnr_throttled 12\nthrottled_usec 4\n',
      },
      { cpus: 1.5, group: '/user.slice/a.scope', periods: 90, throttledPeriods: 12 },
    ],
    [
      'of a group that contains it, where that is tighter',
      {
        '/proc/self/cgroup': '0::/user.slice/a.scope\n',
        '/sys/fs/cgroup/user.slice/a.scope/cpu.max': '400000 100000\n',
        '/sys/fs/cgroup/user.slice/cpu.max': '200000 100000\n',
      },
      { cpus: 2, group: '/user.slice', periods: 0, throttledPeriods: 0 },
    ],
    [
      'of a container, which sees its own group as the root',
      { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': '50000 100000\n' },
      { cpus: 0.5, group: '/', periods: 0, throttledPeriods: 0 },
    ],
    [
      'of version 1, where both controllers share a mount',
      {
        '/proc/self/cgroup': '4:cpu,cpuacct:/docker/7\n0::/\n',
        '/sys/fs/cgroup/cpu,cpuacct/docker/7/cpu.cfs_quota_us': '25000\n',
        '/sys/fs/cgroup/cpu,cpuacct/docker/7/cpu.cfs_period_us': '100000\n',
        '/sys/fs/cgroup/cpu,cpuacct/docker/7/cpu.stat': 'nr_periods 7\nnr_throttled 3\nthrottled_time 9\n',
      },
      { cpus: 0.25, group: '/docker/7', periods: 7, throttledPeriods: 3 },
    ],
    [
      'is absent where version 1 has none',
      {
        '/proc/self/cgroup': '1:cpu:/\n',
        '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
        '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
      },
      null,
    ],
  ])('%s', (_, files, quota) => expect(quotaIn(files)).toEqual(quota));
});

describe('the counters of a quota of another process', () => {
  const find = (files: Readonly<Record<string, string>>): Promise<string | null> =>
    findThrottling(
      (paths) => Promise.resolve(Object.fromEntries(paths.map((path) => [path, files[path] ?? null]))),
      7,
    );

  test('are found by its groups', async () => {
    const folder = '/sys/fs/cgroup/kubepods/pod1';
    const files = { '/proc/7/cgroup': '0::/kubepods/pod1/nginx\n', [`${folder}/cpu.max`]: '50000 100000\n' };
    expect(await find(files)).toBe(`${folder}/cpu.stat`);
    expect(await find({ ...files, [`${folder}/cpu.max`]: 'max 100000\n' })).toBeNull();
    expect(await find({})).toBeNull();
  });

  test.skipIf(noQuota !== null)(`are those of a process that it stops ${noQuota ?? ''}`, async () => {
    await withQuota(0.1, async ([file = '', ...args]) => {
      const child = spawn(file, [...args, 'sh', '-c', 'echo ready; while :; do :; done']);
      const ended = once(child, 'exit');
      try {
        await once(child.stdout, 'data');
        const machine = await openMachine({ run: 'quota', host: 'here', netns: null });
        const read = async (paths: readonly string[]) => (await machine.readFiles(paths)).files;
        const stat = (await findThrottling(read, child.pid ?? 0)) ?? 'no quota';
        await vi.waitFor(() => {
          const counts = parseThrottling(readFileSync(stat, 'utf8'));
          expect(counts.get('cgroup.nr_throttled')).toBeGreaterThan(0);
        });
      } finally {
        child.kill('SIGKILL');
        await ended;
      }
    });
  });

  test('have the names of the kernel', () => {
    expect([...parseThrottling('usage_usec 5\nnr_periods 90\nnr_throttled 12\n')]).toEqual([
      ['cgroup.nr_periods', 90],
      ['cgroup.nr_throttled', 12],
    ]);
    expect(parseThrottling('').size).toBe(0);
  });
});
