import { printCpuList, type ChangedSetting, type TuningFinding } from '../schema/index.js';

type Wordings = {
  readonly [Code in TuningFinding['code']]: (finding: Extract<TuningFinding, { code: Code }>) => string;
};

const nameCpus = (cpus: readonly number[]): string =>
  `${cpus.length === 1 ? 'CPU' : 'CPUs'} ${printCpuList(cpus)}`;
const list = (items: readonly (string | number)[]): string => items.join(', ');

const WORDINGS: Wordings = {
  'setting-missing': ({ path }) => `This kernel has no ${path}.`,
  'setting-removed': ({ path, since }) => `${path} was removed in Linux ${since}.`,
  'setting-inert': ({ path, since }) => `${path} does nothing since Linux ${since}.`,
  'setting-moved': ({ path, since, to }) =>
    `${path} moved to ${to} in Linux ${since}, which is not there: debugfs is not mounted, or the kernel lacks it.`,
  'value-unavailable': ({ path, value, available }) =>
    `${path} does not take ${value} here, only ${list(available)}.`,
  'no-interrupts': ({ device }) => `${device} is a software device: it has no interrupts.`,
  'interrupts-unknown': ({ device, driver }) =>
    `${device} (${driver}) lists no interrupts that could be matched to its queues.`,
  'managed-interrupts': ({ device, irqs }) =>
    `The kernel manages the interrupts ${list(irqs)} of ${device} itself and refuses other CPUs.`,
  'no-frequency-scaling': () => 'The frequency of the CPUs cannot be set here, as in most virtual machines.',
  'no-idle-states': () => 'The CPUs have no idle states that the kernel controls.',
  'no-conntrack': () => 'Connection tracking is not loaded: there is nothing to exempt from.',
  'single-cpu': () => 'No effect by construction: there is one CPU.',
  'single-node': () => 'No effect by construction: there is one NUMA node.',
  'queue-per-cpu': ({ device, queues, cpus }) =>
    `No effect by construction: ${device} has a receive queue for each CPU (${queues} queues, ${cpus} CPUs).`,
  'no-cpus-left': ({ device, interruptCpus }) =>
    `No effect by construction: the interrupts of ${device} reach every core (${nameCpus(interruptCpus)}).`,
  'single-tx-queue': ({ device }) => `No effect by construction: ${device} has one send queue.`,
  'software-tx-queues': ({ device }) =>
    `No effect by construction: ${device} is a software device, whose send queues have no interrupts.`,
  'software-busy-poll': ({ device }) =>
    `No effect by construction: ${device} is a software device, which has nothing to poll.`,
  'kept-alive': ({ path }) =>
    `${path} concerns connections that are opened or closed: no effect on a load of kept-alive connections, except when it starts again.`,
  'machine-shared': () =>
    'It belongs to the machine, which all arms share; --tune-machine sets it before each slice.',
  'needs-reboot': () => 'It takes effect after a reboot.',
  'generator-shared': () => 'One generator loads all arms.',
  'pinned-by-study': ({ value }) => `All connections of the study have ${value} already.`,
  'second-value': ({ value }) =>
    `This design compares the first value alone, and not ${value}; --design each compares all.`,
  'interrupt-cpus-used': ({ cpus, processes }) =>
    `${nameCpus(cpus)} ${cpus.length === 1 ? 'serves' : 'serve'} interrupts and ${cpus.length === 1 ? 'is' : 'are'} left out by RPS, but the ${processes.join(' and the ')} run${processes.length === 1 ? 's' : ''} there too.`,
  'irqbalance-runs': () => 'irqbalance runs: it moves interrupts again, within 10 s. Stop it first.',
  'limit-lowered': ({ path, from, to }) => `${path} is ${from}, which is more than ${to}.`,
  'cpus-ignored': ({ knob, cpus }) =>
    `${knob}: ${nameCpus(cpus)} ${cpus.length === 1 ? 'is' : 'are'} not available here.`,
};

/** One sentence for a finding of tuning. */
export const describeTuningFinding = (finding: TuningFinding): string =>
  (WORDINGS[finding.code] as (finding: TuningFinding) => string)(finding);

/** What `undo` and `tune restore` print about a setting that they leave. */
export const describeChangedSetting = ({ path, before, written, found }: ChangedSetting): string =>
  `${path} is ${found}: it was ${before} before Barewire wrote ${written}, and was changed meanwhile. It stays as it is.`;
