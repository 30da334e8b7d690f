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
  const found = findQuota(read, 'self');
  if (found === null) return null;
  const { stat, ...limit } = found;
  const counts = parseThrottling(read(stat) ?? '');
  return { ...limit, periods: counts.get(PERIODS) ?? 0, throttledPeriods: counts.get(THROTTLED) ?? 0 };
}

const PERIODS = 'cgroup.nr_periods';
const THROTTLED = 'cgroup.nr_throttled';

/** cpu.stat → `cgroup.nr_periods` and `cgroup.nr_throttled`. */
export const parseThrottling = (text: string): ReadonlyMap<string, number> =>
  new Map(
    [PERIODS, THROTTLED].flatMap((name) => {
      const count = new RegExp(`^${name.slice('cgroup.'.length)} (\\d+)$`, 'm').exec(text)?.[1];
      return count === undefined ? [] : [[name, Number(count)]];
    }),
  );

/**
 * The path of the cpu.stat that counts how often the tightest quota of a process stopped it; null without a quota.
 *
 * @param readFiles reads files at once, of any host
 */
export async function findThrottling(
  readFiles: (paths: readonly string[]) => Promise<Readonly<Record<string, string | null>>>,
  pid: number,
): Promise<string | null> {
  const own = cgroupOf(pid);
  const text = await readFiles([own]);
  const wanted = new Set<string>();
  findQuota((path) => {
    if (path !== own) wanted.add(path);
    return text[path] ?? null;
  }, pid);
  const limits = await readFiles([...wanted]);
  return findQuota((path) => (path === own ? text : limits)[path] ?? null, pid)?.stat ?? null;
}

type Found = Pick<CpuQuota, 'cpus' | 'group'> & { readonly stat: string };

const cgroupOf = (pid: number | 'self'): string => `/proc/${pid}/cgroup`;

function findQuota(read: Read, pid: number | 'self'): Found | null {
  const own = read(cgroupOf(pid)) ?? '';
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

function quotaOf2(read: Read, group: string): Found | null {
  const folder = folderOf(ROOT, group);
  const [quota = 'max', period = ''] = (read(`${folder}/cpu.max`) ?? 'max').trim().split(' ');
  return quotaFrom(Number(quota), Number(period), group, folder);
}

function quotaOf1(read: Read, controller: string, group: string): Found | null {
  const folder = folderOf(`${ROOT}/${controller}`, group);
  const [quota, period] = ['quota', 'period'].map((name) =>
    Number(read(`${folder}/cpu.cfs_${name}_us`) ?? NaN),
  );
  return quotaFrom(quota ?? NaN, period ?? NaN, group, folder);
}

function quotaFrom(quotaUs: number, periodUs: number, group: string, folder: string): Found | null {
  const cpus = quotaUs / periodUs;
  // `max` is NaN here, and -1 is the word of version 1 for none.
  return cpus > 0 ? { cpus, group, stat: `${folder}/cpu.stat` } : null;
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Either version may be absent, and a group may be outside of this namespace.
    return null;
  }
}
