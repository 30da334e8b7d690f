import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { printCpuList, printCpuMask } from '../../src/schema/index.js';

/** A network device of a described machine. */
export interface DeviceDescription {
  readonly name: string;
  /** Null for a software device. A virtio device has its interrupts one level above its own folder. */
  readonly driver: string | null;
  readonly rx: number;
  readonly tx: number;
  readonly node?: number;
  /** Number → name in /proc/interrupts; null is not listed there. */
  readonly irqs?: Readonly<Record<number, string | null>>;
  readonly managed?: boolean;
}

/** A machine whose procfs and sysfs files a test writes. CPUs are numbered as Linux does: first threads before second ones. */
export interface MachineDescription {
  readonly kernel: string;
  readonly nodes: number;
  readonly coresPerNode: number;
  readonly threads: 1 | 2;
  readonly offline?: readonly number[];
  readonly isolated?: readonly number[];
  readonly allowed?: string;
  readonly governor?: string;
  readonly devices: readonly DeviceDescription[];
  /** Paths → contents beside those that follow from the rest. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Path → content, or the target of a link, or the content of a file without write permission. */
export type Tree = Map<string, string | { readonly link: string } | { readonly readOnly: string }>;

/** The files of a machine. */
export function machineTree(machine: MachineDescription): Tree {
  const { nodes, coresPerNode, threads, offline = [], isolated = [] } = machine;
  const cores = nodes * coresPerNode;
  const all = Array.from({ length: cores * threads }, (_, cpu) => cpu);
  const online = all.filter((cpu) => !offline.includes(cpu));
  const cpus = '/sys/devices/system/cpu';
  const tree: Tree = new Map();
  tree.set('/proc/sys/kernel/osrelease', machine.kernel);
  tree.set('/proc/irq/default_smp_affinity', printCpuMask(all, all.length));
  tree.set(
    '/proc/self/status',
    `Name:\tnode\nCpus_allowed_list:\t${machine.allowed ?? printCpuList(online)}\n`,
  );
  tree.set(`${cpus}/online`, printCpuList(online));
  tree.set(`${cpus}/present`, printCpuList(all));
  tree.set(`${cpus}/isolated`, printCpuList(isolated));
  for (const cpu of all) {
    tree.set(`${cpus}/cpu${cpu}/uevent`, '');
    if (!online.includes(cpu)) continue;
    const siblings = online.filter((other) => other % cores === cpu % cores);
    tree.set(`${cpus}/cpu${cpu}/topology/thread_siblings_list`, printCpuList(siblings));
    if (machine.governor !== undefined) {
      tree.set(`${cpus}/cpu${cpu}/cpufreq/scaling_governor`, machine.governor);
      tree.set(`${cpus}/cpu${cpu}/cpufreq/scaling_available_governors`, 'performance powersave');
    }
  }
  for (let node = 0; node < nodes; node++)
    tree.set(
      `/sys/devices/system/node/node${node}/cpulist`,
      printCpuList(online.filter((cpu) => Math.floor((cpu % cores) / coresPerNode) === node)),
    );
  const interrupts = [`      ${online.map((cpu) => `CPU${cpu}`).join('  ')}`];
  for (const [slot, device] of machine.devices.entries())
    addDevice(tree, device, slot, all, interrupts, online);
  tree.set('/proc/interrupts', `${interrupts.join('\n')}\nLOC: 1 2 Local timer interrupts\n`);
  for (const [path, content] of Object.entries(machine.files ?? {})) tree.set(path, content);
  return tree;
}

function addDevice(
  tree: Tree,
  { name, driver, rx, tx, node = -1, irqs = {}, managed = false }: DeviceDescription,
  slot: number,
  all: readonly number[],
  interrupts: string[],
  online: readonly number[],
): void {
  const zero = printCpuMask([], all.length);
  const pci = `/sys/devices/pci0000:00/0000:00:0${slot + 3}.0`;
  const bus = driver === 'virtio_net' ? `${pci}/virtio${slot}` : pci;
  const folder = driver === null ? `/sys/devices/virtual/net/${name}` : `${bus}/net/${name}`;
  tree.set(`/sys/class/net/${name}`, { link: `../..${folder.slice('/sys'.length)}` });
  for (let queue = 0; queue < rx; queue++) {
    tree.set(`${folder}/queues/rx-${queue}/rps_cpus`, zero);
    tree.set(`${folder}/queues/rx-${queue}/rps_flow_cnt`, '0');
  }
  // The kernel refuses to read the map of a single queue.
  for (let queue = 0; queue < tx; queue++)
    tree.set(`${folder}/queues/tx-${queue}/${tx === 1 ? 'tx_timeout' : 'xps_cpus'}`, tx === 1 ? '0' : zero);
  if (driver === null) return;
  tree.set(`${folder}/device`, { link: `../../../${bus.replace(/.*\//, '')}` });
  tree.set(`${pci}/numa_node`, String(node));
  tree.set(`${bus}/driver`, { link: `${bus === pci ? '' : '../'}../../../bus/pci/drivers/${driver}` });
  for (const [irq, action] of Object.entries(irqs)) {
    tree.set(`${pci}/msi_irqs/${irq}`, 'msix');
    const list = printCpuList(online);
    tree.set(`/proc/irq/${irq}/smp_affinity_list`, managed ? { readOnly: list } : list);
    if (action !== null)
      interrupts.push(`${irq}: ${online.map(() => '7').join(' ')} IR-PCI-MSI ${irq}-edge ${action}`);
  }
}

/** A tree in a temporary folder, which is removed with it. */
export function writeTree(tree: Tree): Disposable & { readonly root: string } {
  const root = mkdtempSync(join(tmpdir(), 'barewire-tree-'));
  for (const [path, entry] of tree) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    if (typeof entry === 'string') writeFileSync(file, `${entry}\n`);
    else if ('link' in entry) symlinkSync(entry.link, file);
    else {
      writeFileSync(file, `${entry.readOnly}\n`);
      chmodSync(file, 0o444);
    }
  }
  return { root, [Symbol.dispose]: () => rmSync(root, { recursive: true }) };
}
