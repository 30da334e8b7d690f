import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';

const CONTROLLER = '/sys/fs/cgroup/cpu';
const PERIOD_US = 10_000;

/** Why a quota cannot be made here; null where it can. */
export const noQuota = existsSync(`${CONTROLLER}/cpu.stat`)
  ? null
  : 'the controller cpu of cgroups v1 is not mounted';

/** Calls `use` with the words before a program that run it with a share of a CPU, in periods of 10 ms. */
export async function withQuota<T>(cpus: number, use: (prefix: readonly string[]) => Promise<T>): Promise<T> {
  const group = `${CONTROLLER}/barewire-quota-${process.pid}`;
  mkdirSync(group);
  try {
    writeFileSync(`${group}/cpu.cfs_period_us`, String(PERIOD_US));
    writeFileSync(`${group}/cpu.cfs_quota_us`, String(PERIOD_US * cpus));
    return await use(['sh', '-c', `echo $$ > ${group}/cgroup.procs && exec "$@"`, 'sh']);
  } finally {
    rmdirSync(group);
  }
}
