import type { CpuTimes } from '../linux/index.js';
import type { SideMetrics } from '../schema/index.js';
import type { Sample } from './sample.js';

type CpuSeconds = SideMetrics['cpuSeconds'];
type ProcessSeconds = SideMetrics['processCpuSeconds'];
const KINDS = ['user', 'system', 'softirq', 'irq', 'steal', 'idle'] as const;

/** CPU seconds of the given CPUs between two samples, by kind. Pure. */
function cpuBetween(first: Sample, last: Sample, cpus: readonly number[]): CpuSeconds {
  const of = (sample: Sample, kind: keyof CpuTimes): number =>
    cpus.reduce((sum, cpu) => sum + (sample.cpus.get(cpu)?.[kind] ?? 0), 0);
  const difference = (kind: keyof CpuTimes): number => Math.max(0, of(last, kind) - of(first, kind));
  return Object.fromEntries(KINDS.map((kind) => [kind, round(difference(kind))])) as CpuSeconds;
}

/**
 * The share of CPU time in use between two samples, 0 to 1. Steal time belongs to other machines and counts
 * for neither.
 */
export function busyShare({ user, system, softirq, irq, idle }: CpuSeconds): number {
  const busy = user + system + softirq + irq;
  return busy + idle === 0 ? 0 : round(busy / (busy + idle));
}

/** The responses of the recorded window. */
export interface ReceivedLoad {
  readonly achievedRps: number;
  readonly durationS: number;
}

/** The share of the window that the readings must cover. A host whose CPUs are all in softirq reads its first sample late. */
const LEAST_COVERED_SHARE = 0.5;
/** A reading of the idle times that took longer than this share of the window does not know when it was made. */
const MAX_READING_SHARE = 0.02;

/**
 * CPU seconds in use between two samples, of the idle times of the tickless clock in ns; null where the kernel does not report
 * them, where a reading was preempted, or where they contradict the time stamps.
 */
function busySeconds(first: Sample, last: Sample, cpus: readonly number[]): number | null {
  const spanNs = last.atNs - first.atNs;
  if (first.spanNs + last.spanNs > MAX_READING_SHARE * spanNs) return null;
  let busyNs = 0;
  for (const cpu of cpus) {
    const [before, after] = [first.idleNs.get(cpu), last.idleNs.get(cpu)];
    if (before === undefined || after === undefined) return null;
    const idleNs = after - before;
    // An idle period that began before a sample counts when it ends: by a millisecond or two.
    if (idleNs < 0 || idleNs > spanNs * (1 + MAX_READING_SHARE)) return null;
    busyNs += Math.max(0, spanNs - idleNs);
  }
  return busyNs / 1e9;
}

/** USER_HZ of /proc/stat, and the fields whose rest of a tick is lost at each edge. */
const TICK_S = 0.01;
const FIELDS = 8;
/** The ticks of a shorter window are too few to check. */
const LEAST_CHECKED_S = 1;

/**
 * True when both samples have every CPU, were read at once, and the kinds of CPU time sum up to the time between them. A starved host
 * is interrupted between the time stamp and the reading: its differences then belong to another window.
 */
function areConsistent(first: Sample, last: Sample, cpus: readonly number[]): boolean {
  const spanS = (last.atNs - first.atNs) / 1e9;
  if (spanS <= 0) return true;
  if ((first.spanNs + last.spanNs) / 1e9 > Math.max(TICK_S, MAX_READING_SHARE * spanS)) return false;
  return cpus.every((cpu) => {
    if (!first.cpus.has(cpu) || !last.cpus.has(cpu)) return false;
    const sumS = Object.values(cpuBetween(first, last, [cpu])).reduce((sum, seconds) => sum + seconds, 0);
    return (
      spanS < LEAST_CHECKED_S || Math.abs(sumS - spanS) <= 2 * FIELDS * TICK_S + MAX_READING_SHARE * spanS
    );
  });
}

/**
 * The cost of a slice on one side: the differences between the first and last sample of the window, divided
 * by the responses between them. (A busy machine samples late, so fewer responses lie between.) Softirq is
 * the kernel's receive path, whichever process it interrupted. The time that a generator busy-polled is work
 * of no request and is subtracted from the cost only. The total is by the tickless clock where the kernel reports it;
 * /proc/stat, which counts 100 ticks a second, then only divides it by kind.
 */
export function costs(
  samples: readonly Sample[],
  cpus: readonly number[],
  answered: ReceivedLoad,
  busyPolled: ProcessSeconds = { user: 0, system: 0 },
): SideMetrics {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) throw new RangeError('costs need at least one sample');
  const cpuSeconds = cpuBetween(first, last, cpus);
  const spanS = Math.min((last.atNs - first.atNs) / 1e9, answered.durationS);
  const requests = answered.achievedRps * spanS;
  const perRequest = (seconds: number): number => (requests === 0 ? 0 : round((seconds * 1e6) / requests));
  // The sum of busy-polled time is measured and its split estimated: what exceeds one kind is taken from the
  // other.
  const share = spanS / answered.durationS;
  const left = {
    user: cpuSeconds.user - busyPolled.user * share,
    system: cpuSeconds.system - busyPolled.system * share,
  };
  const spent = {
    user: Math.max(0, left.user + Math.min(0, left.system)),
    system: Math.max(0, left.system + Math.min(0, left.user)),
    softirq: cpuSeconds.softirq + cpuSeconds.irq,
  };
  const ticks = spent.user + spent.system + spent.softirq;
  const busy = busySeconds(first, last, cpus);
  // Ticks are no substitute for a failed reading: a window of 150 ms has 15 of them.
  const failed =
    (busy === null && first.idleNs.size > 0 && last.idleNs.size > 0) || !areConsistent(first, last, cpus);
  const total = busy === null ? ticks : Math.max(0, busy - (busyPolled.user + busyPolled.system) * share);
  const scale = ticks === 0 ? 0 : total / ticks;
  return {
    cpuUsPerRequest:
      failed || spanS < LEAST_COVERED_SHARE * answered.durationS
        ? null
        : {
            user: perRequest(spent.user * scale),
            // A window without a tick was not without work.
            system: perRequest(ticks === 0 ? total : spent.system * scale),
            softirq: perRequest(spent.softirq * scale),
          },
    cpuSeconds,
    // A CPU that is offline has no time, which is not zero.
    cpuSecondsByCpu: cpus
      .filter((cpu) => first.cpus.has(cpu) && last.cpus.has(cpu))
      .map((cpu) => ({ cpu, ...cpuBetween(first, last, [cpu]) })),
    processCpuSeconds: {
      user: round(Math.max(0, last.process.user - first.process.user)),
      system: round(Math.max(0, last.process.system - first.process.system)),
    },
    counters: moved(first, last),
    busyEachSecond: samples
      .slice(1)
      .map((sample, at) => busyShare(cpuBetween(samples[at] ?? first, sample, cpus))),
  };
}

/** Counters that changed, after minus before. */
function moved(first: Sample, last: Sample): Record<string, number> {
  const differences = [...last.counters].map(
    ([name, after]) => [name, after - (first.counters.get(name) ?? 0)] as const,
  );
  return Object.fromEntries(differences.filter(([, difference]) => difference !== 0));
}

const round = (value: number): number => Math.round(value * 1e4) / 1e4;
