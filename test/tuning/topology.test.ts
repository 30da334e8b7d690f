import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { readTopology } from '../../src/linux/index.js';
import type { Topology } from '../../src/schema/index.js';
import { KNOB_FILES } from '../../src/tuning/index.js';
import { machineTree, writeTree, type Tree } from './machine-tree.js';
import { MACHINES } from './machines.js';

/** Reads a described machine with some files changed; null removes those that begin so. */
function read(
  machine: keyof typeof MACHINES,
  changes: Readonly<Record<string, string | null>> = {},
): Topology {
  const tree: Tree = machineTree(MACHINES[machine]);
  for (const [path, content] of Object.entries(changes))
    if (content !== null) tree.set(path, content);
    else for (const known of tree.keys()) if (known.startsWith(path)) tree.delete(known);
  using written = writeTree(tree);
  return readTopology(written.root, KNOB_FILES);
}

const queuesOf = ({ devices }: Topology) =>
  devices[0] && {
    rx: devices[0].rxQueues.map(({ irq }) => irq),
    tx: devices[0].txQueues.map(({ irq }) => irq),
  };

describe('interrupts of queues', () => {
  test('are found by the names of a virtio driver, at the PCI device above', () => {
    expect(queuesOf(read('queue-per-cpu'))).toEqual({ rx: [41, 43, 45, 47], tx: [42, 44, 46, 48] });
  });

  test('are found by their order without names, before the one of the mailbox', () => {
    expect(queuesOf(read('article', { '/proc/interrupts': '' }))).toEqual({ rx: [265, 266], tx: [265, 266] });
  });

  test('are found by their order without names, after that of the management', () => {
    expect(queuesOf(read('arm'))?.rx).toEqual([71, 72, 73, 74, 75, 76, 77, 78]);
  });

  test('are not those of another device with a like name', () => {
    const others = '     CPU0\n 12: 5 edge eth0-TxRx-0\n265: 5 edge a-TxRx-1\n266: 5 edge a-TxRx-0\n';
    expect(queuesOf(read('article', { '/proc/interrupts': others }))?.rx).toEqual([266, 265]);
  });

  test('are one for hardware without MSI', () => {
    const pci = '/sys/devices/pci0000:00/0000:00:03.0';
    expect(queuesOf(read('one-queue', { [`${pci}/msi_irqs`]: null, [`${pci}/irq`]: '11' }))).toEqual({
      rx: [11],
      tx: [11],
    });
  });
});

describe('irqbalance', () => {
  test.each([
    ['runs as a process', { '/proc/77/comm': 'irqbalance' }, true],
    ['left a pid file in a recording without processes', { '/run/irqbalance.pid': '77' }, true],
    ['left a pid file and is gone', { '/run/irqbalance.pid': '77', '/proc/78/comm': 'nginx' }, false],
    ['was not recorded', {}, false],
  ])('%s', (_, files, runs) => {
    expect(read('article', files).irqbalance).toBe(runs);
  });
});

describe('CPUs', () => {
  test('are grouped to cores by core_id where the kernel lists no siblings', () => {
    const cpus = '/sys/devices/system/cpu';
    const ids = Object.fromEntries(
      [0, 1, 2, 3].map((cpu) => [`${cpus}/cpu${cpu}/topology/core_id`, String(cpu % 2)]),
    );
    const changes = Object.fromEntries(
      [0, 1, 2, 3].map((cpu) => [`${cpus}/cpu${cpu}/topology/thread`, null]),
    );
    expect(read('one-queue', { ...changes, ...ids }).cpus.map(({ siblings }) => siblings)).toEqual([
      [0, 2],
      [1, 3],
      [0, 2],
      [1, 3],
    ]);
  });

  test('are limited by affinity and cpuset', () => {
    const files = {
      '/proc/self/status': 'Cpus_allowed_list:\t0-2\n',
      '/proc/self/cgroup': '0::/a/b\n',
      '/sys/fs/cgroup/a/b/cpuset.cpus.effective': '1-3',
    };
    expect(read('one-queue', files).allowed).toEqual([1, 2]);
  });

  test('form one node on a machine without NUMA', () => {
    expect(read('one-queue', { '/sys/devices/system/node': null }).nodes).toEqual([
      { node: 0, cpus: [0, 1, 2, 3] },
    ]);
  });
});

test('a setting is missing only where its folder was recorded', () => {
  const { files } = read('article', { '/proc/sys/vm/': null, '/proc/sys/net/core/busy_poll': null });
  expect(files['/proc/sys/net/core/busy_poll']).toBeNull();
  expect(files).not.toHaveProperty('/proc/sys/vm/swappiness');
});

test('congestion controls are those that are loaded or can be', () => {
  const files = {
    '/lib/modules/6.12.0/modules.dep': 'kernel/net/ipv4/tcp_bbr.ko.xz:\nkernel/net/ipv4/tcp_diag.ko:\n',
  };
  expect(read('one-queue', files).congestionControls).toEqual(['reno', 'cubic', 'bbr']);
});

test('the topology of this machine has the CPUs of nproc, each in one node, and no device twice', () => {
  const { cpus, nodes, devices, kernel } = readTopology('/', KNOB_FILES);
  expect(kernel).not.toBeNull();
  expect(cpus).toHaveLength(Number(execFileSync('nproc', ['--all'], { encoding: 'utf8' })));
  expect(nodes.flatMap((node) => node.cpus)).toEqual(cpus.map(({ cpu }) => cpu));
  expect(new Set(devices.map(({ name }) => name)).size).toBe(devices.length);
});
