import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { arch, cpus, release, totalmem } from 'node:os';

/**
 * Facts of this machine that affect measurements, by name; null when unavailable. None identifies the
 * machine.
 */
export const readEnvironment = (): Record<string, string | number | boolean | null> => ({
  kernel: release(),
  architecture: arch(),
  cpuModel: cpus()[0]?.model.trim() ?? null,
  cpus: cpus().length,
  cpusAllowed: firstMatch('/proc/self/status', /^Cpus_allowed_list:\s*(.*)$/m),
  isolatedCpus: line('/sys/devices/system/cpu/isolated'),
  smt: flag('/sys/devices/system/cpu/smt/active', '1'),
  governor: line('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor'),
  turbo:
    flag('/sys/devices/system/cpu/intel_pstate/no_turbo', '0') ??
    flag('/sys/devices/system/cpu/cpufreq/boost', '1'),
  idleDriver: line('/sys/devices/system/cpu/cpuidle/current_driver'),
  numaNodes: names('/sys/devices/system/node').filter((name) => /^node\d+$/.test(name)).length,
  clockSource: line('/sys/devices/system/clocksource/clocksource0/current_clocksource'),
  virtualization: virtualization(),
  memoryMiB: Math.round(totalmem() / 2 ** 20),
  microcode: firstMatch('/proc/cpuinfo', /^microcode\s*: (\S+)/m),
  mitigations: firstMatch('/proc/cmdline', /(?:^| )mitigations=(\S+)/) ?? 'default',
  kernelParameters: kernelParameters(),
  cpuQuota: cpuQuota(),
  congestionControl: line('/proc/sys/net/ipv4/tcp_congestion_control'),
  defaultQdisc: line('/proc/sys/net/core/default_qdisc'),
  conntrack: existsSync('/proc/sys/net/netfilter/nf_conntrack_max'),
  stealSinceBootS: stealSeconds(),
  node: process.version,
});

/** The parameters of the kernel that affect measurements; the others may identify the machine. */
const PARAMETERS =
  /^(?:mitigations|isolcpus|nohz|nohz_full|rcu_nocbs|irqaffinity|idle|preempt|tsc|clocksource|nosmt|pti|nopti|spectre_v2|transparent_hugepage|audit|skew_tick|nmi_watchdog|processor\.max_cstate|intel_idle\.max_cstate|intel_pstate|amd_pstate|threadirqs)(?:=|$)/;
const kernelParameters = (): string | null =>
  (line('/proc/cmdline') ?? '')
    .split(' ')
    .filter((word) => PARAMETERS.test(word))
    .join(' ') || null;

/** The CPU time per second that the cgroup of this process may use, s; null without a quota. */
function cpuQuota(): number | null {
  const own = firstMatch('/proc/self/cgroup', /^0::(.*)$/m) ?? '/';
  const [quota = 'max', period] = (line(`/sys/fs/cgroup${own}/cpu.max`) ?? 'max').split(' ');
  const v1 = firstMatch('/proc/self/cgroup', /^\d+:(?:[^:]*,)?cpu(?:,[^:]*)?:(.*)$/m) ?? '/';
  const [quotaV1, periodV1] = ['cpu.cfs_quota_us', 'cpu.cfs_period_us'].map((name) =>
    Number(line(`/sys/fs/cgroup/cpu${v1}/${name}`) ?? NaN),
  );
  const share = quota === 'max' ? Number(quotaV1) / Number(periodV1) : Number(quota) / Number(period);
  return share > 0 ? share : null;
}

/** The hypervisor's name if it is reported, `yes` if only the CPU reports one, null on bare metal. */
function virtualization(): string | null {
  const hypervisor = line('/sys/hypervisor/type') ?? line('/sys/class/dmi/id/sys_vendor');
  const guest = firstMatch('/proc/cpuinfo', /^flags\s*:.*\b(hypervisor)\b/m) !== null;
  return guest ? (hypervisor ?? 'yes') : null;
}

/** All CPUs together; USER_HZ is 100 on every architecture that Node runs on. */
function stealSeconds(): number | null {
  const ticks = firstMatch('/proc/stat', /^cpu +(?:\d+ ){7}(\d+)/m);
  return ticks === null ? null : Number(ticks) / 100;
}

function line(path: string): string | null {
  try {
    const text = readFileSync(path, 'utf8').trim();
    return text === '' ? null : text;
  } catch {
    // Which of these files exist depends on kernel, driver and hypervisor.
    return null;
  }
}

const flag = (path: string, on: string): boolean | null => {
  const text = line(path);
  return text === null ? null : text === on;
};

const firstMatch = (path: string, pattern: RegExp): string | null =>
  pattern.exec(line(path) ?? '')?.[1] ?? null;

function names(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
