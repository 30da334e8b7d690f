import { printCpuMask, type TuningScope } from '../../schema/index.js';
import {
  INTERRUPT_RULES,
  interruptsOf,
  managedInterrupts,
  nodeOf,
  notApplicable,
  requireQueues,
  withSiblings,
} from '../situation.js';
import type { Knob, KnobValue, PlannedSetting, Situation } from '../types.js';
import { choice, cpuRule, ruleOrWhole } from '../values.js';
import { nameCpus, namedCpus } from './named-cpus.js';
import { xps } from './xps.js';

const DEVICE: TuningScope = { where: 'device', takesEffect: 'live' };

const irqAffinity: Knob = {
  name: 'irq-affinity',
  what: 'the CPU that serves the interrupt of each queue',
  why: 'Interrupts of a queue on one CPU of the right NUMA node keep its packets in one cache; spread, they also do not wait for each other.',
  scope: DEVICE,
  values: choice(...INTERRUPT_RULES),
  plan: (situation) => {
    const { device, homes, topology } = situation;
    const { name, driver } = device;
    requireQueues(situation, 'receive', device.rxQueues.length);
    if (driver === null) return notApplicable({ code: 'no-interrupts', device: name });
    const queues = [...homes.entries()].map(([queue, cpu]) => ({
      queue,
      cpu,
      irqs: interruptsOf(device, queue),
    }));
    if (queues.every(({ irqs }) => irqs.length === 0))
      return notApplicable({ code: 'interrupts-unknown', device: name, driver });
    const managed = managedInterrupts(device);
    if (managed.length > 0) return notApplicable({ code: 'managed-interrupts', device: name, irqs: managed });
    if (topology.cpus.length === 1) return notApplicable({ code: 'single-cpu' });
    return {
      settings: queues.flatMap(({ queue, cpu, irqs }) =>
        irqs.map((irq): PlannedSetting => ({
          kind: 'file',
          path: `/proc/irq/${irq}/smp_affinity_list`,
          value: String(cpu),
          reason: `queue ${queue} of ${name}: ${describePlace(topology.nodes.length, nodeOf(topology, cpu), cpu)}`,
        })),
      ),
      conflicts: topology.irqbalance ? [{ code: 'irqbalance-runs' }] : [],
    };
  },
};

const describePlace = (nodes: number, node: number, cpu: number): string =>
  nodes > 1 ? `CPU ${cpu}, on NUMA node ${node}` : `CPU ${cpu}`;

const RPS_RULES = ['other-cores', 'node-cores', 'all'] as const;

const rps: Knob = {
  name: 'rps',
  what: 'the CPUs that process the packets of each receive queue (RPS)',
  why: 'With fewer queues than CPUs, the CPUs of the interrupts would process all packets; RPS hands them to others.',
  scope: DEVICE,
  values: cpuRule(...RPS_RULES),
  plan: (situation, value) => {
    const { device, topology, homes } = situation;
    const { rxQueues, name } = device;
    requireQueues(situation, 'receive', rxQueues.length);
    if (rxQueues.every(({ rpsCpus }) => rpsCpus === null))
      return notApplicable({ code: 'setting-missing', path: `/sys/class/net/${name}/queues/rx-0/rps_cpus` });
    const usable = topology.cpus.filter(({ cpu }) => !topology.isolated.includes(cpu)).length;
    const isNamed = !RPS_RULES.some((rule) => rule === value);
    // A CPU that is named passes packets to itself, by its backlog.
    if (usable === 1 && !isNamed) return notApplicable({ code: 'single-cpu' });
    if (!isNamed && value !== 'all' && homes.length > 0 && rxQueues.length >= usable)
      return notApplicable({ code: 'queue-per-cpu', device: name, queues: rxQueues.length, cpus: usable });
    const sets = rxQueues.map(({ queue }) => chooseRpsCpus(situation, queue, value));
    if (sets.every(({ cpus }) => cpus.length === 0))
      return notApplicable({ code: 'no-cpus-left', device: name, interruptCpus: situation.serving });
    const ignored = sets[0]?.ignored ?? [];
    return {
      settings: rxQueues.map(({ queue }, at): PlannedSetting => ({
        kind: 'file',
        path: `/sys/class/net/${name}/queues/rx-${queue}/rps_cpus`,
        value: printCpuMask(sets[at]?.cpus ?? [], topology.cpuCount),
        reason: `${nameCpus(sets[at]?.cpus ?? [])}: ${sets[at]?.why ?? ''}`,
      })),
      conflicts: ignored.length === 0 ? [] : [{ code: 'cpus-ignored', knob: 'rps', cpus: ignored }],
    };
  },
};

interface ChosenCpus {
  readonly cpus: readonly number[];
  readonly why: string;
  readonly ignored?: readonly number[];
}

function chooseRpsCpus(
  { topology, cores, homes, serving }: Situation,
  queue: number,
  value: KnobValue,
): ChosenCpus {
  const busy = withSiblings(topology, serving);
  const others = cores.filter((cpu) => !busy.includes(cpu));
  const without = serving.length === 0 ? '' : ` without those of the interrupts (${nameCpus(serving)})`;
  switch (value) {
    case 'all':
      return {
        cpus: topology.cpus.map(({ cpu }) => cpu).filter((cpu) => !topology.isolated.includes(cpu)),
        why: 'all online CPUs',
      };
    case 'other-cores':
      return { cpus: others, why: `one thread of each core${without}` };
    case 'node-cores': {
      const node = nodeOf(topology, homes[queue] ?? cores[0] ?? 0);
      const near = others.filter((cpu) => nodeOf(topology, cpu) === node);
      if (homes.length === 0 || near.length === 0 || topology.nodes.length === 1)
        return { cpus: others, why: `one thread of each core${without}` };
      return { cpus: near, why: `one thread of each core of NUMA node ${node}${without}` };
    }
    default: {
      const { cpus, ignored } = namedCpus(topology, 'rps', value);
      return { cpus, ignored, why: 'as the profile says' };
    }
  }
}

const rfs: Knob = {
  name: 'rfs',
  what: 'the flow tables that steer packets to the CPU of their reader (RFS)',
  why: 'A packet that is processed where its reader runs is in that cache already, and wakes it without an interrupt of another CPU.',
  scope: DEVICE,
  values: ruleOrWhole('connections', 1, 2 ** 29),
  files: ['/proc/sys/net/core/rps_sock_flow_entries'],
  plan: (situation, value) => {
    const { device, topology, roles } = situation;
    const { rxQueues, name } = device;
    requireQueues(situation, 'receive', rxQueues.length);
    const path = '/proc/sys/net/core/rps_sock_flow_entries';
    if (topology.files[path] === null) return notApplicable({ code: 'setting-missing', path });
    if (topology.cpus.length === 1) return notApplicable({ code: 'single-cpu' });
    const wanted = value === 'connections' ? roles.connections : Number(value);
    const entries = powerOfTwo(wanted);
    const flows = powerOfTwo(entries / rxQueues.length);
    return {
      settings: [
        {
          kind: 'file',
          path,
          value: String(entries),
          reason: `${wanted.toLocaleString('en-US')} ${value === 'connections' ? 'connections' : 'entries'}, as a power of two`,
          scope: { where: 'machine', takesEffect: 'live' },
        },
        ...rxQueues.map(({ queue }): PlannedSetting => ({
          kind: 'file',
          path: `/sys/class/net/${name}/queues/rx-${queue}/rps_flow_cnt`,
          value: String(flows),
          reason: `${entries} entries divided by ${rxQueues.length} receive queue${rxQueues.length === 1 ? '' : 's'}`,
        })),
      ],
    };
  },
};

/** The kernel rounds up too, so that what is read back is what was written. */
const powerOfTwo = (least: number): number => 2 ** Math.max(0, Math.ceil(Math.log2(least)));

/** What steers packets to CPUs. */
export const STEERING: readonly Knob[] = [irqAffinity, rps, xps, rfs];
