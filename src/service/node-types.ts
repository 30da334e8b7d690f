import type { AttachmentName } from './attachments.js';
import type { LeaseEvent } from './flannel/lease-event.js';
import type { SubnetLeasesOptions } from './flannel/leases.js';
import type { NetworkConfig } from './flannel/network-config.js';
import type { KernelCounters, KernelKeeperEvent } from './kernel-keeper.js';
import type { UnusedPeer } from './peers.js';

export interface NodeOptions {
  readonly leases: Omit<SubnetLeasesOptions, 'onEvent'>;
  readonly iface: string | null;
  readonly publicIp: string | null;
  readonly subnetFile: string;
  readonly ipMasq: boolean;
  readonly attachment: AttachmentName;
  /** Holds the record of the node, and of its containers. */
  readonly stateFolder: string;
  /** Where the CNI plugin hands over its requests. */
  readonly cniFolder: string;
}

/** What the agent reports while it runs. */
export type NodeEvent =
  | LeaseEvent
  | KernelKeeperEvent
  | { readonly kind: 'ready'; readonly subnet: string; readonly backend: string; readonly peers: number }
  | { readonly kind: 'rules-repaired' }
  | { readonly kind: 'config-changed'; readonly config: NetworkConfig };

/** What `barewire node status` shows. */
export interface NodeStatus extends KernelCounters {
  readonly subnet: string;
  readonly ipv6Subnet: string | null;
  readonly backend: string;
  readonly attachment: AttachmentName;
  readonly interface: string;
  readonly publicIp: string;
  readonly publicIpv6: string | null;
  /** Of containers. */
  readonly mtu: number;
  readonly leaseConfirmed: boolean;
  readonly peers: number;
  readonly unusedPeers: readonly UnusedPeer[];
  /** Where its rules are. */
  readonly rules: 'nftables' | 'iptables' | null;
  /** The last ones, each with its time. */
  readonly lastErrors: readonly string[];
}
