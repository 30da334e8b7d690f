import {
  parseConntrack,
  parseIdleTimes,
  parseNetDev,
  parsePidStat,
  parseProtocolCounters,
  parseSoftnet,
  parseStat,
  parseThrottling,
  TIMER_LIST,
  type CpuTimes,
} from '../linux/index.js';
import type { Machine } from '../machine/index.js';

/** What to sample on one side of a slice. */
export interface Side {
  readonly machine: Machine;
  /** The CPUs of the side. */
  readonly cpus: readonly number[];
  /** The processes of the side. The first is in the container's namespace. */
  readonly pids: readonly [number, ...number[]];
  /** False when the container shares its host's namespace, whose counters would be counted twice. */
  readonly ownNamespace: boolean;
  /** The file that counts how often a CPU quota stopped the processes; null without a quota. */
  readonly throttling: string | null;
}

/** The counters of one side at one moment. */
export interface Sample {
  /** The host's monotonic clock. */
  readonly atNs: number;
  /** How long the reading of the idle times took. */
  readonly spanNs: number;
  /** By CPU; empty where the kernel does not report them. */
  readonly idleNs: ReadonlyMap<number, number>;
  readonly cpus: ReadonlyMap<number, CpuTimes>;
  readonly process: { readonly user: number; readonly system: number };
  /** Cumulative; a container's are prefixed `container:`. */
  readonly counters: ReadonlyMap<string, number>;
}

/**
 * The thread's own: /proc/net follows the main thread, which may be in another namespace for a moment to
 * start a program.
 */
const HOST = '/proc/thread-self';

/** Absent without connection tracking. */
const CONNTRACK = `${HOST}/net/stat/nf_conntrack`;

const netFiles = (root: string): string[] => [`${root}/net/dev`, `${root}/net/snmp`, `${root}/net/netstat`];

export async function sample(side: Side): Promise<Sample> {
  const container = side.ownNamespace ? netFiles(`/proc/${side.pids[0]}`) : [];
  const stats = side.pids.map((pid) => `/proc/${pid}/stat`);
  const read = await side.machine.readFiles([
    TIMER_LIST,
    '/proc/stat',
    `${HOST}/net/softnet_stat`,
    CONNTRACK,
    ...netFiles(HOST),
    ...container,
    ...stats,
    ...(side.throttling === null ? [] : [side.throttling]),
  ]);
  const text = (path: string): string => read.files[path] ?? '';
  return {
    atNs: read.atNs,
    spanNs: read.spanNs,
    idleNs: parseIdleTimes(text(TIMER_LIST)),
    cpus: parseStat(text('/proc/stat')),
    process: total(stats.map((path) => parsePidStat(text(path)))),
    counters: new Map([
      ...parseSoftnet(text(`${HOST}/net/softnet_stat`)),
      ...parseConntrack(text(CONNTRACK)),
      ...netCounters(netFiles(HOST).map(text), ''),
      ...netCounters(container.map(text), 'container:'),
      ...(side.throttling === null ? [] : parseThrottling(text(side.throttling))),
    ]),
  };
}

function netCounters(
  [dev = '', snmp = '', netstat = '']: readonly string[],
  prefix: string,
): [string, number][] {
  return [...parseNetDev(dev), ...parseProtocolCounters(snmp), ...parseProtocolCounters(netstat)].map(
    ([name, count]) => [prefix + name, count],
  );
}

const total = (times: readonly { user: number; system: number }[]): { user: number; system: number } => ({
  user: times.reduce((sum, time) => sum + (Number.isFinite(time.user) ? time.user : 0), 0),
  system: times.reduce((sum, time) => sum + (Number.isFinite(time.system) ? time.system : 0), 0),
});
