import * as z from 'zod';

const n = z.number().int();
const cpus = z.array(n).readonly();
const text = z.string().nullable();

const deviceSchema = z.object({
  name: z.string(),
  /** The driver's name; null for a software device (veth, a bridge), which has no hardware. */
  driver: text,
  /** The NUMA node that the hardware is attached to; null where the firmware does not report it. */
  node: n.nullable(),
  rxQueues: z
    .array(
      z.object({
        queue: n,
        /** The interrupt that announces packets of this queue; null without one. */
        irq: n.nullable(),
        /** Null where the kernel has no RPS. */
        rpsCpus: cpus.nullable(),
        /** The queue's share of the flow table; null where the kernel has no RFS. */
        rpsFlows: n.nullable(),
      }),
    )
    .readonly(),
  /** `xpsCpus` is null where the kernel has no XPS, or the device a single queue. */
  txQueues: z.array(z.object({ queue: n, irq: n.nullable(), xpsCpus: cpus.nullable() })).readonly(),
  interrupts: z
    .array(
      z.object({
        irq: n,
        /** As in /proc/interrupts: `eth0-TxRx-0`, `virtio0-input.0`; null where it is not listed. */
        name: text,
        /** The CPUs that may serve it, and those that the kernel chose among them. */
        cpus,
        effectiveCpus: cpus,
        /** The kernel spreads it itself and refuses other CPUs (EIO). */
        managed: z.boolean(),
      }),
    )
    .readonly(),
});

/** The CPUs, network devices and settings of a machine, as far as tuning depends on them. */
export const topologySchema = z.object({
  /** `4.3.0-1.el7.elrepo.x86_64`; null where it is not recorded. */
  kernel: text,
  /** The online CPUs, ascending. */
  cpus: z
    .array(
      z.object({
        cpu: n,
        node: n,
        /** The threads of the same core, this one included. */
        siblings: cpus,
        /** Null where the CPU's frequency cannot be set, as in most virtual machines. */
        governor: text,
        governors: z.array(z.string()).readonly(),
        /** 0 (performance) to 15 (save power); null where the CPU has no such hint. */
        energyBias: text,
      }),
    )
    .readonly(),
  /** CPUs that are there and switched off. */
  offline: cpus,
  /** CPUs that the scheduler leaves alone (isolcpus). */
  isolated: cpus,
  /** One more than the greatest CPU number, offline ones included. */
  cpuCount: n,
  /** The CPUs that this process may use: its cgroup's cpuset and its affinity. */
  allowed: cpus,
  /** NUMA nodes with the CPUs that are online. */
  nodes: z.array(z.object({ node: n, cpus })).readonly(),
  devices: z.array(deviceSchema).readonly(),
  /** The device of the default route. */
  defaultDevice: text,
  irqbalance: z.boolean(),
  /** Connection tracking is loaded; null where it is not recorded. */
  conntrack: z.boolean().nullable(),
  /** The congestion controls that are loaded or can be; null where it is not recorded. */
  congestionControls: z.array(z.string()).readonly().nullable(),
  /** The driver of idle states: intel_idle, `none` without states; null where it is not recorded. */
  idleDriver: text,
  /**
   * The files that settings may write, by path. Null: the kernel has no such file. Absent: not recorded, because its folder is not
   * there either.
   */
  files: z.record(z.string(), z.string().nullable()),
});
export type Topology = z.infer<typeof topologySchema>;
export type NetworkDevice = z.infer<typeof deviceSchema>;
