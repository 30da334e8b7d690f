import type { Cell, CpuLoad, Finding, MeasuredSlice, SideMetrics } from '../schema/index.js';
import type { CellSlices } from './cells.js';

const SIDES = ['client', 'server'] as const;
type Side = (typeof SIDES)[number];
const KINDS = ['user', 'system', 'softirq', 'irq', 'steal', 'idle'] as const;
type Seconds = SideMetrics['cpuSeconds'];

/** A CPU or a link that is busy for this share of the time leaves no room for a higher rate. */
const FULL_SHARE = 0.9;
/** The share of a full CPU's busy time from which receiving packets is what fills it. */
const SOFTIRQ_SHARE = 0.5;
/** Segments sent again per request from which losses limit the rate. */
const LOSS_SHARE = 0.001;

/** Periods in which a CPU quota stopped the server, from which it is what makes the tail. */
const THROTTLED_SHARE = 0.01;

/** A host's counter, and a container's. */
const LOOPBACK = /(?:^|:)lo\./;

/** What limits a cell's rate, from the counters of its valid slices; null without one. */
export function findBottleneck({ valid }: CellSlices, linkMbps: number | null): Finding | null {
  if (valid.length === 0) return null;
  const records = valid.map(({ record }) => record);
  const mbps = Math.max(
    0,
    ...SIDES.flatMap((side) => ['rx_bytes', 'tx_bytes'].map((name) => meanMbps(records, side, name))),
  );
  if (linkMbps !== null && mbps >= FULL_SHARE * linkMbps) return { code: 'limit-link', mbps, linkMbps };
  const countOf = (name: string): number =>
    records.reduce((sum, { metrics }) => sum + (metrics.server.counters[name] ?? 0), 0);
  const [periods, throttledPeriods] = [countOf('cgroup.nr_periods'), countOf('cgroup.nr_throttled')];
  if (throttledPeriods > THROTTLED_SHARE * periods)
    return { code: 'limit-quota', side: 'server', periods, throttledPeriods };
  const requests = records.reduce((sum, { load }) => sum + load.requests, 0);
  const resent = records.reduce((sum, record) => sum + countResent(record), 0);
  if (resent > LOSS_SHARE * requests)
    return { code: 'limit-loss', resent, share: resent / Math.max(1, requests) };
  const loads = SIDES.map((side) => ({ side, ...busiest(records, side) })).sort((a, b) => b.share - a.share);
  const [most] = loads;
  if (most === undefined) return null;
  const { side, share, softirqShare } = most;
  if (share < FULL_SHARE) return { code: 'limit-none', side, share };
  return softirqShare >= SOFTIRQ_SHARE
    ? { code: 'limit-softirq', side, share, softirqShare }
    : { code: 'limit-cpu', side, share };
}

/** Of the interface with most traffic: a container's counters repeat those of its host's. */
function meanMbps(records: readonly MeasuredSlice[], side: Side, counter: string): number {
  const rates = records.map(({ metrics, load }) => {
    const bytes = Object.entries(metrics[side].counters).flatMap(([name, moved]) =>
      name.endsWith(`.${counter}`) && !LOOPBACK.test(name) ? [moved] : [],
    );
    // The counters also cover the warm-up, at the same rate as the window.
    const seconds = Object.values(metrics[side].cpuSeconds).reduce((sum, value) => sum + value, 0);
    const cpus = metrics[side].cpuSecondsByCpu?.length ?? 1;
    return (Math.max(0, ...bytes) * 8) / 1e6 / Math.max(load.durationS, seconds / cpus);
  });
  return rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
}

const countResent = ({ metrics }: MeasuredSlice): number =>
  SIDES.flatMap((side) => Object.entries(metrics[side].counters))
    .filter(([name]) => name.endsWith('.RetransSegs'))
    .reduce((sum, [, moved]) => sum + moved, 0);

/** The busiest CPU of a side. The time that a generator busy-polls does not count. */
function busiest(
  records: readonly MeasuredSlice[],
  side: Side,
): { readonly share: number; readonly softirqShare: number } {
  if (side === 'client') {
    const shares = records.map(({ load }) => ('cpuShare' in load.selfCheck ? load.selfCheck.cpuShare : 0));
    return { share: shares.reduce((sum, one) => sum + one, 0) / shares.length, softirqShare: 0 };
  }
  const all = loadOf(records, side).map(({ idle, softirq, irq, user, system }) => {
    const busy = user + system + softirq + irq;
    return {
      share: busy / Math.max(1e-9, busy + idle),
      softirqShare: busy === 0 ? 0 : (softirq + irq) / busy,
    };
  });
  return all.sort((a, b) => b.share - a.share)[0] ?? { share: 0, softirqShare: 0 };
}

/** The load of each CPU by kind, as shares of its time over all valid slices. */
export const summarizeCpuLoad = ({ valid }: CellSlices): Cell['cpuLoad'] => {
  const records = valid.map(({ record }) => record);
  return { client: loadOf(records, 'client'), server: loadOf(records, 'server') };
};

function loadOf(records: readonly MeasuredSlice[], side: Side): CpuLoad[] {
  const sums = new Map<number, Seconds>();
  for (const { metrics } of records)
    for (const { cpu, ...seconds } of metrics[side].cpuSecondsByCpu ?? []) {
      const sum = sums.get(cpu) ?? { user: 0, system: 0, softirq: 0, irq: 0, steal: 0, idle: 0 };
      for (const kind of KINDS) sum[kind] += seconds[kind];
      sums.set(cpu, sum);
    }
  return [...sums].map(([cpu, seconds]) => {
    const total = KINDS.reduce((sum, kind) => sum + seconds[kind], 0);
    const shares = Object.fromEntries(KINDS.map((kind) => [kind, total === 0 ? 0 : seconds[kind] / total]));
    return { cpu, ...(shares as Seconds) };
  });
}

/** A p50 this many times that at the lowest rate lies beyond the knee of the curve. */
const KNEE_RATIO = 2;

/**
 * The lowest rate whose typical p50 is at least twice that at the lowest rate, or that is not sustained; null where the curve has
 * none up to the highest rate. Pure queueing doubles the latency at half of a server's capacity.
 */
export function findKnee(cells: readonly Cell[]): number | null {
  const workload = cells[0]?.workload;
  const own = cells.filter((cell) => cell.workload === workload).sort((a, b) => a.rateRps - b.rateRps);
  const base = own[0]?.latencyMs.p50.value ?? null;
  if (base === null || own.length < 2) return null;
  const beyond = own.find(({ sustained, latencyMs }) => {
    const ms = latencyMs.p50.value;
    return sustained === false || (ms !== null && ms >= KNEE_RATIO * base);
  });
  return beyond?.rateRps ?? null;
}
