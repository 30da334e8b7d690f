import { userError, type NetworkDevice, type Topology, type TuningFinding } from '../schema/index.js';
import type { KnobPlan, Situation, TuningRoles } from './types.js';

/** How interrupts are placed: on the first core of each NUMA node in turns, or first on the cores of the device's node. */
export const INTERRUPT_RULES = ['spread', 'local'] as const;
export type InterruptRule = (typeof INTERRUPT_RULES)[number];

/** @throws BarewireError `bad-input` for a device that the machine does not have */
function findDevice(topology: Topology, name: string): NetworkDevice {
  const found = topology.devices.find((device) => device.name === name);
  if (found !== undefined) return found;
  const names = topology.devices.map((device) => device.name);
  throw userError(
    `The machine has no network device ${name}.`,
    names.length === 0 ? 'It has none but loopback.' : `Its devices: ${names.join(', ')}.`,
  );
}

/** The first online thread of every core, without isolated CPUs: all of them where all are isolated. */
function physicalCores({ cpus, isolated }: Topology): number[] {
  const usable = cpus.filter(({ cpu }) => !isolated.includes(cpu));
  return (usable.length === 0 ? cpus : usable)
    .filter(({ cpu, siblings }, _, all) =>
      all.every((other) => !siblings.includes(other.cpu) || other.cpu >= cpu),
    )
    .map(({ cpu }) => cpu);
}

/** The CPUs that share a core with one of these, themselves included. */
export const withSiblings = ({ cpus }: Topology, some: readonly number[]): number[] =>
  cpus.filter(({ siblings }) => siblings.some((cpu) => some.includes(cpu))).map(({ cpu }) => cpu);

export const nodeOf = ({ cpus }: Topology, cpu: number): number =>
  cpus.find((known) => known.cpu === cpu)?.node ?? 0;

/**
 * @param rule where the profile pins interrupts; null where they stay
 */
export function describeSituation(
  topology: Topology,
  roles: TuningRoles,
  rule: InterruptRule | null,
): Situation {
  const device = findDevice(topology, roles.interface);
  const cores = physicalCores(topology);
  const placed = placeQueues(topology, device, rule ?? 'spread', cores);
  const isPinned = rule !== null && managedInterrupts(device).length === 0;
  const queues = Array.from({ length: countQueues(device) }, (_, queue) => queue);
  const known = queues.map((queue) => {
    if (interruptsOf(device, queue).length === 0) return null;
    return isPinned ? (placed[queue] ?? null) : currentCpu(device, queue);
  });
  const hasInterrupts = queues.some((queue) => interruptsOf(device, queue).length > 0);
  return {
    topology,
    device,
    roles,
    cores,
    homes: hasInterrupts ? queues.map((queue) => known[queue] ?? placed[queue] ?? 0) : [],
    serving: [...new Set(known)].filter((cpu) => cpu !== null).sort((one, other) => one - other),
  };
}

const countQueues = ({ rxQueues, txQueues }: NetworkDevice): number =>
  Math.max(0, ...[...rxQueues, ...txQueues].map(({ queue }) => queue + 1));

/** The interrupts of a queue: one, or one for each direction. */
export const interruptsOf = ({ rxQueues, txQueues }: NetworkDevice, queue: number): number[] => [
  ...new Set(
    [...rxQueues, ...txQueues].flatMap((each) =>
      each.queue === queue && each.irq !== null ? [each.irq] : [],
    ),
  ),
];

/** The interrupts of queues that the kernel places itself. */
export const managedInterrupts = ({ rxQueues, txQueues, interrupts }: NetworkDevice): number[] =>
  interrupts
    .filter(({ managed, irq }) => managed && [...rxQueues, ...txQueues].some((queue) => queue.irq === irq))
    .map(({ irq }) => irq);

/** The CPU that serves a queue's interrupt now; null where it may be served by several. */
function currentCpu(device: NetworkDevice, queue: number): number | null {
  const [irq] = interruptsOf(device, queue);
  const interrupt = device.interrupts.find((known) => known.irq === irq);
  const { effectiveCpus = [] } = interrupt ?? {};
  return effectiveCpus.length === 1 ? (effectiveCpus[0] ?? null) : null;
}

/** The CPU for each queue. With a queue for each CPU, in the order of both; otherwise a core each, second threads last. */
function placeQueues(
  topology: Topology,
  device: NetworkDevice,
  rule: InterruptRule,
  cores: readonly number[],
): number[] {
  const usable = topology.cpus.map(({ cpu }) => cpu).filter((cpu) => !topology.isolated.includes(cpu));
  const threads = (usable.length === 0 ? cores : usable).filter((cpu) => !cores.includes(cpu));
  const queues = countQueues(device);
  const order =
    queues >= cores.length + threads.length
      ? [...cores, ...threads].sort((one, other) => one - other)
      : [...orderCpus(topology, device, rule, cores), ...orderCpus(topology, device, rule, threads)];
  return Array.from({ length: queues }, (_, queue) => order[queue % order.length] ?? 0);
}

function orderCpus(
  topology: Topology,
  device: NetworkDevice,
  rule: InterruptRule,
  cpus: readonly number[],
): number[] {
  const nodes = topology.nodes
    .map(({ node }) => node)
    .sort((one, other) => Number(other === device.node) - Number(one === device.node) || one - other);
  const byNode = nodes.map((node) => cpus.filter((cpu) => nodeOf(topology, cpu) === node));
  if (rule === 'local' && device.node !== null) return byNode.flat();
  const longest = Math.max(0, ...byNode.map(({ length }) => length));
  return Array.from({ length: longest }, (_, at) =>
    byNode.flatMap((members) => members.slice(at, at + 1)),
  ).flat();
}

/** @throws BarewireError `bad-input` for a device without queues */
export function requireQueues({ device }: Situation, direction: string, queues: number): void {
  if (queues > 0) return;
  throw userError(
    `${device.name} has no ${direction} queues.`,
    'Name the device that carries the load with --dev; `barewire doctor --topology` lists them.',
  );
}

export const notApplicable = (finding: TuningFinding): KnobPlan => ({ settings: [], finding });
