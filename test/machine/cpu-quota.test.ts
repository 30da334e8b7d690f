import { describe, expect, test } from 'vitest';
import { readCpuQuota } from '../../src/linux/index.js';

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
