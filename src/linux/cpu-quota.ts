import { readFileSync } from 'node:fs';

/** The CPU time that a group of processes may use, by the control groups of Linux (version 1 or 2). */
export interface CpuQuota {
  /** Seconds of CPU time per second. */
  readonly cpus: number;
  /** The directory of the group that has the limit, below its mount. */
  readonly group: string;
  /** Periods in which the group had something to do, and those in which it used up its quota; since it was made. */
  readonly periods: number;
  readonly throttledPeriods: number;
}

type Read = (path: string) => string | null;

/** The root's path is empty where it precedes a file. */
const folderOf = (root: string, group: string): string => (group === '/' ? root : root + group);

const ROOT = '/sys/fs/cgroup';
/** Where distributions mount the controller of version 1. */
const CONTROLLERS = ['cpu,cpuacct', 'cpu'];

/** The tightest quota of this process: of its group, or of one that contains it. Null without one. */
export function readCpuQuota(read: Read = readOrNull): CpuQuota | null {
  const own = read('/proc/self/cgroup') ?? '';
  const v2 = /^0::(?<path>.*)$/m.exec(own)?.groups?.['path'] ?? '/';
  const v1 = /^\d+:(?:[^:]*,)?cpu(?:,[^:]*)?:(?<path>.*)$/m.exec(own)?.groups?.['path'] ?? '/';
  const quotas = [
    ...groupsOf(v2).map((group) => quotaOf2(read, group)),
    ...CONTROLLERS.flatMap((controller) => groupsOf(v1).map((group) => quotaOf1(read, controller, group))),
  ].filter((quota) => quota !== null);
  return quotas.toSorted((one, other) => one.cpus - other.cpus)[0] ?? null;
}

/** `/a/b`, `/a` and `/`. */
function groupsOf(path: string): string[] {
  const names = path.split('/').filter((name) => name !== '' && name !== '..');
  return Array.from(
    { length: names.length + 1 },
    (_, less) => `/${names.slice(0, names.length - less).join('/')}`,
  );
}

function quotaOf2(read: Read, group: string): CpuQuota | null {
  const [quota = 'max', period = ''] = (read(`${folderOf(ROOT, group)}/cpu.max`) ?? 'max').trim().split(' ');
  return quotaFrom(Number(quota), Number(period), group, read(`${folderOf(ROOT, group)}/cpu.stat`));
}

function quotaOf1(read: Read, controller: string, group: string): CpuQuota | null {
  const folder = folderOf(`${ROOT}/${controller}`, group);
  const [quota, period] = ['quota', 'period'].map((name) =>
    Number(read(`${folder}/cpu.cfs_${name}_us`) ?? NaN),
  );
  return quotaFrom(quota ?? NaN, period ?? NaN, group, read(`${folder}/cpu.stat`));
}

function quotaFrom(quotaUs: number, periodUs: number, group: string, stat: string | null): CpuQuota | null {
  const cpus = quotaUs / periodUs;
  // `max` is NaN here, and -1 is the word of version 1 for none.
  if (!(cpus > 0)) return null;
  const count = (name: string): number =>
    Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(stat ?? '')?.[1] ?? 0);
  return { cpus, group, periods: count('nr_periods'), throttledPeriods: count('nr_throttled') };
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Either version may be absent, and a group may be outside of this namespace.
    return null;
  }
}
