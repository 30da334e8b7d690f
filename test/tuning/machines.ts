import type { DeviceDescription, MachineDescription } from './machine-tree.js';

const pairs = (first: number, queues: number, name: (queue: number) => string): Record<number, string> =>
  Object.fromEntries(Array.from({ length: queues }, (_, queue) => [first + queue, name(queue)]));
/** The interrupts of a virtio device that has one for each direction of a queue. */
const virtioInterrupts = (first: number, queues: number): Record<number, string> => ({
  [first]: 'virtio0-config',
  ...pairs(first + 1, 2 * queues, (at) => `virtio0-${at % 2 === 0 ? 'input' : 'output'}.${at >> 1}`),
});

const SYSCTLS_2015 = {
  '/proc/sys/net/core/rps_sock_flow_entries': '0',
  '/proc/sys/net/core/busy_poll': '0',
  '/proc/sys/net/core/busy_read': '0',
  '/proc/sys/net/ipv4/ip_local_port_range': '32768\t60999',
  '/proc/sys/net/ipv4/tcp_fastopen': '1',
  '/proc/sys/net/ipv4/tcp_fin_timeout': '60',
  '/proc/sys/net/ipv4/tcp_low_latency': '0',
  '/proc/sys/net/ipv4/tcp_max_tw_buckets': '262144',
  '/proc/sys/net/ipv4/tcp_slow_start_after_idle': '1',
  '/proc/sys/net/ipv4/tcp_tw_recycle': '0',
  '/proc/sys/net/ipv4/tcp_tw_reuse': '0',
  '/proc/sys/net/netfilter/nf_conntrack_max': '262144',
  '/proc/sys/kernel/numa_balancing': '1',
  '/proc/sys/kernel/sched_migration_cost_ns': '500000',
  '/proc/sys/kernel/sched_min_granularity_ns': '3000000',
  '/proc/sys/fs/file-max': '6099998',
  '/proc/sys/vm/dirty_ratio': '20',
  '/proc/sys/vm/dirty_background_ratio': '10',
  '/proc/sys/vm/swappiness': '60',
  '/sys/kernel/mm/transparent_hugepage/enabled': 'always [madvise] never',
};

const SYSCTLS_NOW = {
  ...Object.fromEntries(
    Object.entries(SYSCTLS_2015).filter(([path]) => !/tcp_tw_recycle|sched_m/.test(path)),
  ),
  '/proc/sys/kernel/nmi_watchdog': '0',
  '/proc/sys/fs/file-max': '9223372036854775807',
  '/proc/sys/net/core/somaxconn': '4096',
  '/proc/sys/net/ipv4/tcp_autocorking': '1',
  '/proc/sys/net/ipv4/tcp_available_congestion_control': 'reno cubic',
  '/sys/kernel/debug/sched/migration_cost_ns': '500000',
};

/** A guest of four CPUs. */
const virtioGuest = (device: Omit<DeviceDescription, 'name' | 'driver'>): MachineDescription => ({
  kernel: '6.12.0',
  nodes: 1,
  coresPerNode: 4,
  threads: 1,
  devices: [{ name: 'eth0', driver: 'virtio_net', ...device }],
  files: SYSCTLS_NOW,
});

/** Machines whose plans are known. */
export const MACHINES = {
  /** Two c4.8xlarge of December 2015, as the article describes them. */
  article: {
    kernel: '4.3.0-1.el7.elrepo.x86_64',
    nodes: 2,
    coresPerNode: 9,
    threads: 2,
    governor: 'powersave',
    devices: [
      {
        name: 'eth0',
        driver: 'ixgbevf',
        rx: 2,
        tx: 2,
        irqs: { 265: 'eth0-TxRx-0', 266: 'eth0-TxRx-1', 267: 'eth0:mbx' },
      },
    ],
    files: SYSCTLS_2015,
  },
  'queue-per-cpu': virtioGuest({ rx: 4, tx: 4, irqs: virtioInterrupts(40, 4) }),
  'one-queue': virtioGuest({ rx: 1, tx: 1, irqs: virtioInterrupts(24, 1) }),
  /** Second threads are switched off: CPUs 4 to 7. */
  'smt-off': {
    kernel: '6.12.0',
    nodes: 1,
    coresPerNode: 4,
    threads: 2,
    offline: [4, 5, 6, 7],
    devices: [
      {
        name: 'ens5',
        driver: 'ena',
        rx: 2,
        tx: 2,
        irqs: { 50: 'ena-mgmnt@pci:0000:00:03.0', ...pairs(51, 2, (queue) => `ens5-Tx-Rx-${queue}`) },
      },
    ],
    files: SYSCTLS_NOW,
  },
  /** The first core of node 0 and a second thread are switched off. */
  'offline-cpus': {
    kernel: '6.12.0',
    nodes: 2,
    coresPerNode: 4,
    threads: 2,
    offline: [0, 8, 13],
    devices: [
      {
        name: 'eth0',
        driver: 'igb',
        rx: 2,
        tx: 2,
        node: 0,
        irqs: { 60: 'eth0', ...pairs(61, 2, (queue) => `eth0-TxRx-${queue}`) },
      },
    ],
    files: SYSCTLS_NOW,
  },
  /** More than 32 CPUs, each a core. */
  arm: {
    kernel: '6.12.0',
    nodes: 1,
    coresPerNode: 64,
    threads: 1,
    devices: [
      {
        name: 'eth0',
        driver: 'ena',
        rx: 8,
        tx: 8,
        node: 0,
        irqs: {
          70: null,
          ...Object.fromEntries([71, 72, 73, 74, 75, 76, 77, 78].map((irq) => [irq, null])),
        },
      },
    ],
    files: SYSCTLS_NOW,
  },
  /** More than 64 CPUs. */
  large: {
    kernel: '6.12.0',
    nodes: 2,
    coresPerNode: 36,
    threads: 2,
    governor: 'performance',
    devices: [
      {
        name: 'eth0',
        driver: 'mlx5_core',
        rx: 4,
        tx: 4,
        node: 1,
        irqs: {
          100: 'mlx5_async0@pci:0000:00:03.0',
          ...pairs(101, 4, (queue) => `mlx5_comp${queue}@pci:0000:00:03.0`),
        },
      },
    ],
    files: SYSCTLS_NOW,
  },
  veth: {
    kernel: '6.12.0',
    nodes: 1,
    coresPerNode: 2,
    threads: 1,
    devices: [{ name: 'eth0', driver: null, rx: 2, tx: 2 }],
    files: SYSCTLS_NOW,
  },
  /** The kernel spreads the interrupts of the queues. CPU 3 is isolated. */
  managed: {
    ...virtioGuest({ rx: 2, tx: 2, managed: true, irqs: virtioInterrupts(24, 2) }),
    isolated: [3],
  },
} as const satisfies Record<string, MachineDescription>;
