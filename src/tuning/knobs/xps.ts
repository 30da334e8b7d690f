import { printCpuMask } from '../../schema/index.js';
import { nodeOf, notApplicable, requireQueues } from '../situation.js';
import type { Knob, PlannedSetting, Situation } from '../types.js';
import { choice } from '../values.js';
import { nameCpus } from './named-cpus.js';

export const xps: Knob = {
  name: 'xps',
  what: 'the CPUs that send through each send queue (XPS)',
  why: 'A CPU that sends through a queue whose completions are served nearby shares no lock and no cache line with another NUMA node.',
  scope: { where: 'device', takesEffect: 'live' },
  values: choice('closest'),
  plan: (situation) => {
    const { device, topology } = situation;
    const { txQueues, name } = device;
    requireQueues(situation, 'send', txQueues.length);
    if (txQueues.length === 1) return notApplicable({ code: 'single-tx-queue', device: name });
    if (device.driver === null) return notApplicable({ code: 'software-tx-queues', device: name });
    if (txQueues.every(({ xpsCpus }) => xpsCpus === null))
      return notApplicable({ code: 'setting-missing', path: `/sys/class/net/${name}/queues/tx-0/xps_cpus` });
    if (topology.cpus.length === 1) return notApplicable({ code: 'single-cpu' });
    const cpusOf = sendersOf(situation);
    return {
      settings: txQueues.flatMap(({ queue }): PlannedSetting[] => {
        const cpus = cpusOf.get(queue) ?? [];
        if (cpus.length === 0) return [];
        return [
          {
            kind: 'file',
            path: `/sys/class/net/${name}/queues/tx-${queue}/xps_cpus`,
            value: printCpuMask(cpus, topology.cpuCount),
            reason: `${nameCpus(cpus)}: closest to the queue's interrupt`,
          },
        ];
      }),
    };
  },
};

/**
 * Divides all online CPUs among the send queues: a CPU takes the queues that it serves itself. Of the others, all threads of a core take
 * the queue with the fewest CPUs: of those that the core serves, or else its node.
 */
function sendersOf({ topology, device, homes }: Situation): Map<number, number[]> {
  const queues = device.txQueues.map(({ queue }, at) => ({
    queue,
    home: homes[queue] ?? topology.cpus[at % topology.cpus.length]?.cpu ?? 0,
    cpus: [] as number[],
  }));
  const rest = topology.cpus.filter(({ cpu }) => {
    const own = queues.filter(({ home }) => home === cpu);
    for (const { cpus } of own) cpus.push(cpu);
    return own.length === 0;
  });
  const closest = (siblings: readonly number[], node: number) => {
    const ofCore = queues.filter(({ home }) => siblings.includes(home));
    const ofNode = queues.filter(({ home }) => nodeOf(topology, home) === node);
    const candidates = [ofCore, ofNode, queues].find(({ length }) => length > 0) ?? [];
    return candidates.toSorted((one, other) => one.cpus.length - other.cpus.length)[0];
  };
  // Cores that serve a queue come first, so that the others even out.
  const serves = (siblings: readonly number[]): number =>
    Number(queues.some(({ home }) => siblings.includes(home)));
  const cores = rest
    .filter(({ cpu, siblings }) =>
      siblings.every((other) => other >= cpu || !rest.some((each) => each.cpu === other)),
    )
    .toSorted((one, other) => serves(other.siblings) - serves(one.siblings));
  for (const { siblings, node } of cores)
    closest(siblings, node)?.cpus.push(
      ...rest.filter(({ cpu }) => siblings.includes(cpu)).map(({ cpu }) => cpu),
    );
  return new Map(queues.map(({ queue, cpus }) => [queue, cpus]));
}
