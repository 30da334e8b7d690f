import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { arch, cpus, release, totalmem } from 'node:os';
import { readCpuQuota } from './cpu-quota.js';

/** The file that names the clock source of the kernel. */
export const CLOCK_SOURCE = '/sys/devices/system/clocksource/clocksource0/current_clocksource';
const FAST_SOURCES = ['tsc', 'kvm-clock', 'hyperv_clocksource_tsc_page', 'arch_sys_counter'];
/** True for a clock source of which each reading is a system call. */
export const isSlowClock = (source: string): boolean => !FAST_SOURCES.includes(source);

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
  clockSource: line(CLOCK_SOURCE),
  virtualization: virtualization(),
  memoryMiB: Math.round(totalmem() / 2 ** 20),
  microcode: firstMatch('/proc/cpuinfo', /^microcode\s*: (\S+)/m),
  mitigations: firstMatch('/proc/cmdline', /(?:^| )mitigations=(\S+)/) ?? 'default',
  kernelParameters: kernelParameters(),
  vulnerabilities: vulnerabilities(),
  preemption: firstMatch('/proc/version', /\b(PREEMPT\w*)/),
  hugePages: firstMatch('/sys/kernel/mm/transparent_hugepage/enabled', /\[(\w+)\]/),
  cpuQuota: readCpuQuota()?.cpus ?? null,
  congestionControl: line('/proc/sys/net/ipv4/tcp_congestion_control'),
  defaultQdisc: line('/proc/sys/net/core/default_qdisc'),
  conntrack: existsSync('/proc/sys/net/netfilter/nf_conntrack_max'),
  stealSinceBootS: stealSeconds(),
  node: process.version,
  ...Object.fromEntries(
    SYSCTLS.map((name) => [
      name,
      line(`/proc/sys/${name.replaceAll('.', '/')}`)
        ?.split(/\s+/)
        .join(' ') ?? null,
    ]),
  ),
});

/** Sysctls that change what a request costs; those of `net` are the namespace's own. */
const SYSCTLS = [
  'kernel.numa_balancing',
  'kernel.sched_autogroup_enabled',
  'kernel.timer_migration',
  ...[
    'busy_poll',
    'busy_read',
    'dev_weight',
    'netdev_budget',
    'netdev_budget_usecs',
    'netdev_max_backlog',
  ].map((name) => `net.core.${name}`),
  ...['rmem_max', 'rps_sock_flow_entries', 'somaxconn', 'wmem_max'].map((name) => `net.core.${name}`),
  'net.ipv4.ip_forward',
  'net.ipv4.ip_local_port_range',
  ...['autocorking', 'ecn', 'fastopen', 'limit_output_bytes', 'max_syn_backlog', 'min_tso_segs'].map(
    (name) => `net.ipv4.tcp_${name}`,
  ),
  ...[
    'moderate_rcvbuf',
    'rmem',
    'sack',
    'slow_start_after_idle',
    'syncookies',
    'timestamps',
    'tw_reuse',
    'wmem',
  ].map((name) => `net.ipv4.tcp_${name}`),
  'net.bridge.bridge-nf-call-iptables',
  'net.netfilter.nf_conntrack_buckets',
  'net.netfilter.nf_conntrack_max',
];

/** What the kernel does about each vulnerability of the CPU, where it does something or should. */
function vulnerabilities(): string | null {
  const folder = '/sys/devices/system/cpu/vulnerabilities';
  const states = names(folder)
    .sort()
    .map((name) => [name, line(`${folder}/${name}`) ?? ''] as const)
    .filter(([, state]) => state !== '' && state !== 'Not affected');
  return states.map(([name, state]) => `${name}: ${state.replace(/^Mitigation: /, '')}`).join('; ') || null;
}

/** The parameters of the kernel that affect measurements; the others may identify the machine. */
const PARAMETERS =
  /^(?:mitigations|isolcpus|nohz|nohz_full|rcu_nocbs|irqaffinity|idle|preempt|tsc|clocksource|nosmt|pti|nopti|spectre_v2|transparent_hugepage|audit|skew_tick|nmi_watchdog|processor\.max_cstate|intel_idle\.max_cstate|intel_pstate|amd_pstate|threadirqs)(?:=|$)/;
const kernelParameters = (): string | null =>
  (line('/proc/cmdline') ?? '')
    .split(' ')
    .filter((word) => PARAMETERS.test(word))
    .join(' ') || null;

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
