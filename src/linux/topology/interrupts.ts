import type { NetworkDevice } from '../../schema/index.js';
import type { SystemFiles } from './system-files.js';

type Interrupt = NetworkDevice['interrupts'][number];

/**
 * Reads the interrupts of a device's hardware from its msi_irqs. A virtio device has them at the PCI device above it. Hardware without MSI
 * has one interrupt; that of virtio-mmio is found by the unique name of its bus device, `virtio0`.
 */
export function readInterrupts(files: SystemFiles, device: string): Interrupt[] {
  const names = readNames(files);
  const above = files.parent(device);
  const places = [device, ...(above === null ? [] : [above])];
  const msi = places.map((place) => files.numbered(`${place}/msi_irqs`, '')).find(({ length }) => length > 0);
  const single = places.map((place) => files.number(`${place}/irq`)).find((irq) => (irq ?? 0) > 0);
  const bus = files.linkName(device);
  const named = [...names].flatMap(([irq, name]) =>
    bus?.startsWith('virtio') === true && name === bus ? [irq] : [],
  );
  const irqs = msi ?? (single === undefined || single === null ? named : [single]);
  return irqs.map((irq) => {
    const folder = `/proc/irq/${irq}`;
    const cpus =
      files.cpuList(`${folder}/smp_affinity_list`) ?? files.cpuMask(`${folder}/smp_affinity`) ?? [];
    return {
      irq,
      name: names.get(irq) ?? files.names(folder).find((name) => !KERNELS_FILES.includes(name)) ?? null,
      cpus,
      effectiveCpus: files.cpuList(`${folder}/effective_affinity_list`) ?? cpus,
      managed: isManaged(files, irq),
    };
  });
}

/** The files that each folder of /proc/irq has. The others are named after what handles the interrupt. */
const KERNELS_FILES = [
  'affinity_hint',
  'effective_affinity',
  'effective_affinity_list',
  'node',
  'smp_affinity',
  'smp_affinity_list',
  'spurious',
];

/** A kernel with debugfs says so; others make the file read-only. Where all files are, they are copies. */
const isManaged = (files: SystemFiles, irq: number): boolean =>
  files.text(`/sys/kernel/debug/irq/irqs/${irq}`)?.includes('IRQD_AFFINITY_MANAGED') === true ||
  (files.exists(`/proc/irq/${irq}/smp_affinity_list`) &&
    !files.isWritable(`/proc/irq/${irq}/smp_affinity_list`) &&
    files.isWritable('/proc/irq/default_smp_affinity'));

/** The last column of /proc/interrupts. */
function readNames(files: SystemFiles): Map<number, string> {
  const lines = (files.text('/proc/interrupts') ?? '').split('\n');
  return new Map(
    lines.flatMap((line) => {
      const match = /^\s*(\d+):.*\s(\S*[a-zA-Z]\S*)$/.exec(line);
      return match === null ? [] : [[Number(match[1]), match[2] ?? '']];
    }),
  );
}

/** How drivers name the interrupts of a receive queue, of a send queue, and of a pair of both. */
const BOTH = /(?:tx-?rx|rx-?tx|fp|mlx5_comp|queue)[-.]?(\d+)(?:@|$)/i;
const RECEIVE = /(?:input|rx)[-.]?(\d+)$/i;
const SEND = /(?:output|tx)[-.]?(\d+)$/i;
/** Interrupts that announce no packets. */
const CONTROL = /config|control|mgmnt|mgmt|async|mbx|mailbox|misc|aeq|ceq|link|admin|ptp/i;
/** Drivers whose first interrupt is one of those; that of others is the last. */
const CONTROL_FIRST = ['ena', 'virtio_net', 'mlx5_core', 'hns3', 'iavf', 'i40e', 'ice'];

/** The interrupt of each queue, by its number; queues without one are absent. */
export interface QueueInterrupts {
  readonly rx: ReadonlyMap<number, number>;
  readonly tx: ReadonlyMap<number, number>;
}

/** Finds the interrupt of each queue: by the names that drivers use, or else by their order. */
export function matchQueues(
  interrupts: readonly Interrupt[],
  { name, driver }: Pick<NetworkDevice, 'name' | 'driver'>,
  queues: number,
): QueueInterrupts {
  const rx = new Map<number, number>();
  const tx = new Map<number, number>();
  for (const { irq, name: action } of interrupts) {
    const plain = action?.startsWith(`${name}-`) === true ? /^-(\d+)$/.exec(action.slice(name.length)) : null;
    const both = plain ?? BOTH.exec(action ?? '');
    const receive = both ?? RECEIVE.exec(action ?? '');
    const send = both ?? SEND.exec(action ?? '');
    if (receive !== null) rx.set(Number(receive[1]), irq);
    if (send !== null) tx.set(Number(send[1]), irq);
  }
  if (rx.size + tx.size > 0) return { rx, tx };
  const data = interrupts.filter(({ name: action }) => !CONTROL.test(action ?? ''));
  const surplus = Math.max(0, data.length - queues);
  const ordered = CONTROL_FIRST.includes(driver ?? '')
    ? data.slice(surplus)
    : data.slice(0, data.length - surplus);
  for (const [queue, { irq }] of ordered.entries()) {
    rx.set(queue, irq);
    tx.set(queue, irq);
  }
  return { rx, tx };
}
