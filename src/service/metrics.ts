import type { NodeStatus } from './node-types.js';

interface Metric {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly value: number;
}

/** The status in the text format of Prometheus. */
export function printMetrics(status: NodeStatus): string {
  const metrics: readonly Metric[] = [
    {
      name: 'barewire_node_lease_confirmed',
      type: 'gauge',
      help: '1 while etcd has confirmed the lease of the subnet.',
      value: Number(status.leaseConfirmed),
    },
    { name: 'barewire_node_peers', type: 'gauge', help: 'Leases of other nodes.', value: status.peers },
    {
      name: 'barewire_node_unused_peers',
      type: 'gauge',
      help: 'Leases of other nodes that this node does not use.',
      value: status.unusedPeers.length,
    },
    {
      name: 'barewire_node_ignored_leases',
      type: 'gauge',
      help: 'Keys of leases that are malformed, outside the network, or have addresses of an older lease.',
      value: status.ignoredLeases.length,
    },
    {
      name: 'barewire_node_checks_total',
      type: 'counter',
      help: "Comparisons of the kernel's whole state.",
      value: status.checks,
    },
    {
      name: 'barewire_node_repaired_objects_total',
      type: 'counter',
      help: 'Objects of the kernel that others had changed.',
      value: status.repairedObjects,
    },
    {
      name: 'barewire_node_refused_edits_total',
      type: 'counter',
      help: 'Changes that the kernel refused.',
      value: status.refusedEdits,
    },
  ];
  return metrics
    .map(
      ({ name, type, help, value }) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`,
    )
    .join('');
}
