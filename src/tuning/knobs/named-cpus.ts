import { parseCpuList, printCpuList, userError, type Topology } from '../../schema/index.js';
import type { KnobValue } from '../types.js';

/**
 * The CPUs of a list that are online.
 *
 * @throws BarewireError `bad-input` where none is left
 */
export function namedCpus(
  { cpus, allowed }: Pick<Topology, 'cpus' | 'allowed'>,
  knob: string,
  value: KnobValue,
  onlyAllowed = false,
): { readonly cpus: readonly number[]; readonly ignored: readonly number[] } {
  const named = parseCpuList(String(value)) ?? [];
  const online = onlyAllowed ? allowed : cpus.map(({ cpu }) => cpu);
  const kept = named.filter((cpu) => online.includes(cpu));
  if (kept.length > 0) return { cpus: kept, ignored: named.filter((cpu) => !online.includes(cpu)) };
  throw userError(
    `${knob}: ${value} leaves no CPU: the machine ${onlyAllowed ? 'allows' : 'has'} the CPUs ${printCpuList(online)}.`,
    'Name at least one of them.',
  );
}

/** `CPU 3`, `CPUs 0-3`. */
export const nameCpus = (cpus: readonly number[]): string =>
  `${cpus.length === 1 ? 'CPU' : 'CPUs'} ${printCpuList(cpus)}`;
