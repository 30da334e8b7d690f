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

/**
 * The cost of a slice on one side: the differences between the first and last sample of the window, divided
 * by the responses between them. (A busy machine samples late, so fewer responses lie between.) Softirq is
 * the kernel's receive path, whichever process it interrupted. The time that a generator busy-polled is work
 * of no request and is subtracted from the cost only.
 */
export function costs(
  samples: readonly Sample[],
  cpus: readonly number[],
  answered: ReceivedLoad,
  spun: ProcessSeconds = { user: 0, system: 0 },
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
  const left = { user: cpuSeconds.user - spun.user * share, system: cpuSeconds.system - spun.system * share };
  const spent = {
    user: Math.max(0, left.user + Math.min(0, left.system)),
    system: Math.max(0, left.system + Math.min(0, left.user)),
  };
  return {
    cpuUsPerRequest: {
      user: perRequest(spent.user),
      system: perRequest(spent.system),
      softirq: perRequest(cpuSeconds.softirq + cpuSeconds.irq),
    },
    cpuSeconds,
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
