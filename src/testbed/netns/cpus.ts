import { machineError } from '../../schema/index.js';

/** The CPUs of a kernel list such as `0-3,8`, ascending. */
export function parseCpuList(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    if (first === undefined || last === undefined || Number.isNaN(last - first)) return [];
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
}

/** From /proc/PID/status. */
export function allowedCpus(status: string): number[] {
  const list = /^Cpus_allowed_list:\s*(?<list>[\d,-]+)$/m.exec(status)?.groups?.['list'];
  if (list !== undefined) return parseCpuList(list);
  throw machineError(
    'missing-kernel-feature',
    '/proc/self/status does not report the allowed CPUs of this process',
    'Mount /proc, and use Linux 2.6.24 or later.',
  );
}

export interface CpuShares {
  readonly client: readonly number[];
  readonly server: readonly number[];
}

/** The client gets the first half and the server the second. Both share a single CPU. */
export function shareCpus(cpus: readonly number[]): CpuShares {
  const half = Math.floor(cpus.length / 2);
  return half === 0
    ? { client: cpus, server: cpus }
    : { client: cpus.slice(0, half), server: cpus.slice(half) };
}
