import type { TuningFinding, TuningScope } from '../../schema/index.js';
import { isKernelAtLeast } from '../kernel-version.js';
import type { Knob, KnobPlan, KnobValue, KnobValues, PlannedSetting, Situation } from '../types.js';
import { choice, kernelName, portRange, wholeRange } from '../values.js';

/** A file of /proc/sys, and what a machine may lack for it. */
interface SysctlKnob {
  readonly name: string;
  /** `net.ipv4.tcp_fin_timeout`, or a path. */
  readonly key: string;
  /** Keys that are set too; `value` is the knob's own. */
  readonly others?: Readonly<Record<string, KnobValue>>;
  readonly what: string;
  readonly why: string;
  readonly where: TuningScope['where'];
  readonly takesEffect: TuningScope['takesEffect'];
  readonly values: KnobValues;
  /** The first kernel without the file. */
  readonly removed?: string;
  /** The first kernel where the file does nothing. */
  readonly inert?: string;
  /** The first kernel that has it elsewhere, and where. */
  readonly moved?: { readonly since: string; readonly to: string };
  /** It concerns connections that are opened or closed, which a kept-alive load does not do. */
  readonly keptAlive?: true;
  /** A limit, which is better greater. */
  readonly limit?: true;
  readonly needs?: (situation: Situation, value: KnobValue) => TuningFinding | null;
}

const TIME_WAIT = { where: 'namespace', takesEffect: 'new-connections', keptAlive: true } as const;
const path = (key: string): string => (key.startsWith('/') ? key : `/proc/sys/${key.replaceAll('.', '/')}`);
const SCHED_DEBUG = '/sys/kernel/debug/sched';

const TABLE: readonly SysctlKnob[] = [
  {
    name: 'busy-poll',
    key: 'net.core.busy_poll',
    what: 'how long a waiting reader polls the device, µs',
    why: 'A reader that polls takes a packet without an interrupt and without being woken; it uses the CPU instead.',
    where: 'machine',
    takesEffect: 'new-connections',
    values: wholeRange(0, 10_000, 50),
    others: { 'net.core.busy_read': 'value' },
    needs: ({ device }) =>
      device.driver === null ? { code: 'software-busy-poll', device: device.name } : null,
  },
  {
    name: 'congestion-control',
    key: 'net.ipv4.tcp_congestion_control',
    what: 'the congestion control of new connections',
    why: 'It decides how fast a connection sends after loss; small responses on kept-alive connections rarely depend on it.',
    where: 'namespace',
    takesEffect: 'new-connections',
    values: kernelName('cubic, bbr, reno'),
    needs: ({ topology: { congestionControls: available } }, value) =>
      available === null || available.includes(String(value))
        ? null
        : {
            code: 'value-unavailable',
            path: path('net.ipv4.tcp_congestion_control'),
            value: String(value),
            available,
          },
  },
  {
    name: 'tcp-slow-start-after-idle',
    key: 'net.ipv4.tcp_slow_start_after_idle',
    what: 'whether an idle connection starts slowly again',
    why: 'A kept-alive connection that was idle for one retransmission time-out would send its next response in several rounds.',
    where: 'namespace',
    takesEffect: 'live',
    values: wholeRange(0, 1, 0),
  },
  {
    name: 'tcp-autocorking',
    key: 'net.ipv4.tcp_autocorking',
    what: 'whether small writes wait for others',
    why: 'A small response is sent at once although an earlier packet is still in the queue of the device.',
    where: 'namespace',
    takesEffect: 'live',
    values: wholeRange(0, 1, 0),
  },
  {
    name: 'tcp-low-latency',
    key: 'net.ipv4.tcp_low_latency',
    what: 'whether TCP bypasses its prequeue',
    why: 'Packets were processed when they arrived, and not when their reader ran.',
    where: 'namespace',
    takesEffect: 'live',
    values: wholeRange(0, 1, 1),
    inert: '4.14',
  },
  {
    name: 'tcp-fin-timeout',
    key: 'net.ipv4.tcp_fin_timeout',
    what: 'how long a closed connection waits for its peer, s',
    why: 'Ports are free sooner when many connections are closed.',
    ...TIME_WAIT,
    values: wholeRange(1, 3_600, 10),
  },
  {
    name: 'tcp-tw-reuse',
    key: 'net.ipv4.tcp_tw_reuse',
    what: 'whether a new connection may use a port in TIME_WAIT',
    why: 'A generator that opens connections again finds free ports.',
    ...TIME_WAIT,
    values: wholeRange(0, 2, 1),
  },
  {
    name: 'tcp-tw-recycle',
    key: 'net.ipv4.tcp_tw_recycle',
    what: 'whether TIME_WAIT ends early',
    why: 'Ports were free sooner; it broke connections through address translation, and was removed.',
    ...TIME_WAIT,
    values: wholeRange(0, 1, 1),
    removed: '4.12',
  },
  {
    name: 'tcp-max-tw-buckets',
    key: 'net.ipv4.tcp_max_tw_buckets',
    what: 'the most connections in TIME_WAIT',
    why: 'Connections beyond it are closed at once, with a warning in the log of the kernel.',
    ...TIME_WAIT,
    values: wholeRange(1, 2 ** 31 - 1, 2_000_000),
    limit: true,
  },
  {
    name: 'tcp-fastopen',
    key: 'net.ipv4.tcp_fastopen',
    what: 'whether the first request travels with the SYN',
    why: 'A new connection saves one round trip, if both programs ask for it.',
    where: 'namespace',
    takesEffect: 'new-connections',
    values: wholeRange(0, 0xffff, 3),
    keptAlive: true,
  },
  {
    name: 'port-range',
    key: 'net.ipv4.ip_local_port_range',
    what: 'the ports that new connections are sent from',
    why: 'Each connection to one server needs a port of its own.',
    where: 'namespace',
    takesEffect: 'new-connections',
    values: portRange('2000 65535'),
  },
  {
    name: 'somaxconn',
    key: 'net.core.somaxconn',
    what: 'the most connections that wait to be accepted',
    why: 'Many connections that are opened at once are accepted without retransmitted SYNs.',
    where: 'namespace',
    takesEffect: 'process-start',
    values: wholeRange(1, 2 ** 31 - 1, 65_535),
    limit: true,
  },
  {
    name: 'netdev-max-backlog',
    key: 'net.core.netdev_max_backlog',
    what: 'the most packets that wait for a CPU with RPS',
    why: 'Packets beyond it are dropped, which a burst with RPS can reach.',
    where: 'machine',
    takesEffect: 'live',
    values: wholeRange(1, 2 ** 31 - 1, 10_000),
    limit: true,
  },
  {
    name: 'netdev-budget',
    key: 'net.core.netdev_budget',
    what: 'the most packets that a CPU processes before it yields',
    why: 'A smaller one lets programs on that CPU run sooner, a greater one loses fewer packets.',
    where: 'machine',
    takesEffect: 'live',
    values: wholeRange(1, 2 ** 31 - 1, 600),
  },
  {
    name: 'file-max',
    key: 'fs.file-max',
    what: 'the most open files of the machine',
    why: 'Each connection is an open file.',
    where: 'machine',
    takesEffect: 'live',
    values: wholeRange(1_024, Number.MAX_SAFE_INTEGER, 1_024_000),
    limit: true,
  },
  {
    name: 'swappiness',
    key: 'vm.swappiness',
    what: 'how readily memory of programs is swapped out',
    why: 'A page that has to be read back delays a request by milliseconds.',
    where: 'machine',
    takesEffect: 'live',
    values: wholeRange(0, 200, 10),
  },
  {
    name: 'dirty-ratio',
    key: 'vm.dirty_ratio',
    others: { 'vm.dirty_background_ratio': 3 },
    what: 'the share of memory with unwritten data at which writers wait, %; writing starts at 3 %',
    why: 'Data is written early and in small amounts, and not in long bursts.',
    where: 'machine',
    takesEffect: 'live',
    values: wholeRange(4, 100, 10),
  },
  {
    name: 'numa-balancing',
    key: 'kernel.numa_balancing',
    what: 'whether pages move to the NUMA node of their reader',
    why: 'Finding such pages costs page faults at random moments.',
    where: 'machine',
    takesEffect: 'live',
    values: wholeRange(0, 2, 0),
    needs: ({ topology }) => (topology.nodes.length === 1 ? { code: 'single-node' } : null),
  },
  {
    name: 'sched-migration-cost',
    key: 'kernel.sched_migration_cost_ns',
    what: 'how long a program counts as hot on its CPU, ns',
    why: 'The scheduler moves threads rarely, so that RFS finds them where their data is.',
    where: 'machine',
    takesEffect: 'live',
    values: wholeRange(0, 2 ** 32 - 1, 10_000_000),
    moved: { since: '5.13', to: `${SCHED_DEBUG}/migration_cost_ns` },
  },
  {
    name: 'sched-min-granularity',
    key: 'kernel.sched_min_granularity_ns',
    what: 'the shortest time that a program runs before another does, ns',
    why: 'Programs are interrupted less often.',
    where: 'machine',
    takesEffect: 'live',
    values: wholeRange(100_000, 1_000_000_000, 10_000_000),
    moved: { since: '5.13', to: `${SCHED_DEBUG}/min_granularity_ns` },
  },
  {
    name: 'thp',
    key: '/sys/kernel/mm/transparent_hugepage/enabled',
    what: 'whether memory gets huge pages by itself (transparent huge pages)',
    why: 'Making a huge page stops a program while memory is moved.',
    where: 'machine',
    takesEffect: 'process-start',
    values: choice('never', 'madvise', 'always'),
  },
];

function planSysctl(knob: SysctlKnob, situation: Situation, value: KnobValue): KnobPlan {
  const { topology } = situation;
  const { kernel, files } = topology;
  const main = path(knob.key);
  const has = (key: string): boolean => files[key] !== null;
  const since = (version: string | undefined): version is string =>
    version !== undefined && kernel !== null && isKernelAtLeast(kernel, version);
  if (since(knob.removed) && typeof files[main] !== 'string')
    return { settings: [], finding: { code: 'setting-removed', path: main, since: knob.removed } };
  if (since(knob.inert))
    return { settings: [], finding: { code: 'setting-inert', path: main, since: knob.inert } };
  const { moved } = knob;
  const isMoved = moved !== undefined && typeof files[main] !== 'string' && since(moved.since);
  if (isMoved && typeof files[moved.to] !== 'string')
    return { settings: [], finding: { code: 'setting-moved', path: main, ...moved } };
  const unmet = knob.needs?.(situation, value) ?? null;
  if (unmet !== null) return { settings: [], finding: unmet };
  const target = isMoved ? moved.to : main;
  if (!has(target)) return { settings: [], finding: { code: 'setting-missing', path: target } };
  const others = Object.entries(knob.others ?? {}).map(
    ([key, other]) => [path(key), other === 'value' ? value : other] as const,
  );
  const now = files[target];
  const isLowered = knob.limit === true && typeof now === 'string' && Number(now) > Number(value);
  return {
    settings: [[target, value] as const, ...others.filter(([key]) => has(key))].map(
      ([to, wanted]): PlannedSetting => ({
        kind: 'file',
        path: to,
        value: String(wanted),
        reason: knob.why,
      }),
    ),
    ...(knob.keptAlive === true ? { finding: { code: 'kept-alive', path: target } } : {}),
    conflicts: isLowered ? [{ code: 'limit-lowered', path: target, from: now, to: String(value) }] : [],
  };
}

/** What a file of /proc/sys, or one with a like meaning elsewhere, sets. */
export const SYSCTLS: readonly Knob[] = TABLE.map((knob) => ({
  name: knob.name,
  what: knob.what,
  why: knob.why,
  scope: { where: knob.where, takesEffect: knob.takesEffect },
  values: knob.values,
  files: [
    path(knob.key),
    ...Object.keys(knob.others ?? {}).map(path),
    ...(knob.moved === undefined ? [] : [knob.moved.to]),
  ],
  plan: (situation, value) => planSysctl(knob, situation, value),
}));
