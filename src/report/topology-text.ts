import wrapAnsi from 'wrap-ansi';
import { printCpuList, type NetworkDevice, type Topology } from '../schema/index.js';

/** Columns of a drawn topology. */
const WIDTH = 100;
/** The column where lists begin. */
const INDENT = 18;

/** Draws a topology: NUMA nodes with their cores, and devices with queues, interrupts and the CPUs that serve them. */
export function drawTopology(topology: Topology): string {
  const { cpus, nodes, offline, isolated, allowed, kernel, devices } = topology;
  const cores = new Set(cpus.map(({ siblings }) => siblings.join(',')));
  const drawn = nodes.flatMap((node) => [
    ...row(`NUMA node ${node.node}`, node.cpus.length === 0 ? 'no CPUs' : `CPUs ${printCpuList(node.cpus)}`),
    ...row('  cores', drawCores(topology, node.cpus)),
  ]);
  const hardware = devices.filter(({ driver }) => driver !== null);
  const software = devices.filter(({ driver }) => driver === null);
  return [
    `Linux ${kernel ?? 'of an unknown version'}: ${count(cpus.length, 'CPU')}, ${count(cores.size, 'core')}, ${count(nodes.length, 'NUMA node')}`,
    ...drawn,
    ...(offline.length === 0 ? [] : row('offline', `CPUs ${printCpuList(offline)}`)),
    ...(isolated.length === 0 ? [] : row('isolated', `CPUs ${printCpuList(isolated)}`)),
    ...(allowed.length === cpus.length
      ? []
      : row('allowed', `CPUs ${printCpuList(allowed)} by affinity and cgroup`)),
    ...row('governor', drawGovernors(topology)),
    ...row('idle states', topology.idleDriver ?? 'not reported'),
    ...row('irqbalance', topology.irqbalance ? 'runs: it moves interrupts' : 'does not run'),
    ...row(
      'conntrack',
      { true: 'loaded', false: 'not loaded', null: 'not reported' }[String(topology.conntrack)] ?? '',
    ),
    ...hardware.flatMap((device) => ['', ...drawDevice(device)]),
    ...(software.length === 0 ? [] : ['', 'software devices, without interrupts']),
    ...software.flatMap(({ name, rxQueues, txQueues }) =>
      row(
        `  ${name}`,
        `${count(rxQueues.length, 'receive queue')}, ${count(txQueues.length, 'send queue')}, ` +
          `RPS ${union(rxQueues.map(({ rpsCpus }) => rpsCpus ?? []))}`,
      ),
    ),
  ].join('\n');
}

/** `0+18 1+19`: the threads of each core. */
function drawCores({ cpus }: Topology, members: readonly number[]): string {
  const threads = cpus.filter(({ cpu }) => members.includes(cpu)).map(({ siblings }) => siblings);
  const first = threads.filter((siblings, at) => threads.findIndex(([cpu]) => cpu === siblings[0]) === at);
  // A core with one thread each is no news: 64 of them would fill lines.
  return first.every(({ length }) => length === 1)
    ? `${first.length}, one thread each`
    : first.map((siblings) => siblings.join('+')).join(' ');
}

function drawGovernors({ cpus }: Topology): string {
  const names = [...new Set(cpus.map(({ governor }) => governor))];
  return names
    .map((name) => {
      const members = cpus.filter(({ governor }) => governor === name).map(({ cpu }) => cpu);
      return `${name ?? 'the frequency cannot be set'}${names.length === 1 ? '' : ` on CPUs ${printCpuList(members)}`}`;
    })
    .join(', ');
}

function drawDevice({ name, driver, node, rxQueues, txQueues, interrupts }: NetworkDevice): string[] {
  const served = (irq: number | null): string => {
    const found = interrupts.find((interrupt) => interrupt.irq === irq);
    if (found === undefined) return 'no interrupt';
    const { cpus, effectiveCpus, managed } = found;
    const all = printCpuList(cpus);
    const now = printCpuList(effectiveCpus);
    return `interrupt ${found.irq}${found.name === null ? '' : ` ${found.name}`} → CPUs ${all}${now === all ? '' : `, now ${now}`}${managed ? ', managed' : ''}`;
  };
  const others = interrupts.filter(({ irq }) =>
    [...rxQueues, ...txQueues].every((queue) => queue.irq !== irq),
  );
  return [
    `${name} (${driver ?? 'software'}), ${node === null ? 'NUMA node not reported' : `on NUMA node ${node}`}`,
    ...rxQueues.flatMap(({ queue, irq, rpsCpus, rpsFlows }) =>
      row(
        `  rx-${queue}`,
        `${served(irq)}; RPS ${drawSet(rpsCpus)}; RFS ${rpsFlows === null ? 'not in this kernel' : rpsFlows === 0 ? 'off' : `${rpsFlows} flows`}`,
      ),
    ),
    ...txQueues.flatMap(({ queue, irq, xpsCpus }) =>
      row(
        `  tx-${queue}`,
        `${served(irq)}; XPS ${txQueues.length === 1 ? 'needs several queues' : drawSet(xpsCpus)}`,
      ),
    ),
    ...(others.length === 0
      ? []
      : row('  others', others.map((other) => `${other.irq} ${other.name ?? ''}`.trim()).join(', '))),
  ];
}

const drawSet = (cpus: readonly number[] | null): string =>
  cpus === null ? 'not in this kernel' : cpus.length === 0 ? 'off' : `CPUs ${printCpuList(cpus)}`;

const union = (sets: readonly (readonly number[])[]): string => drawSet([...new Set(sets.flat())]);

const count = (amount: number, noun: string): string => `${amount} ${noun}${amount === 1 ? '' : 's'}`;

/** A name, and a text that continues below its beginning. Lists have no spaces, so that they break anywhere. */
const row = (name: string, text: string): string[] =>
  wrapAnsi(text, WIDTH - INDENT, { hard: true })
    .split('\n')
    .map((line, at) => (at === 0 ? `${name} `.padEnd(INDENT) : ' '.repeat(INDENT)) + line);
