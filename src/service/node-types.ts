import type { AttachmentName } from './attachments.js';
import type { ExternalInterface } from './desired.js';
import type { InterfaceChoice } from './external-interface.js';
import type { LeaseEvent } from './flannel/lease-event.js';
import type { SubnetLeasesOptions } from './flannel/leases.js';
import type { NetworkConfig } from './flannel/network-config.js';
import type { KernelCounters, KernelKeeperEvent } from './kernel-keeper.js';
import type { IgnoredLease } from './flannel/lease-table.js';
import type { UnusedPeer } from './peers.js';

export interface NodeOptions {
  readonly leases: Omit<SubnetLeasesOptions, 'onEvent'>;
  /** How the interface to the other nodes is chosen. */
  readonly external: InterfaceChoice;
  readonly subnetFile: string;
  readonly ipMasq: boolean;
  /** How often the rules are compared. */
  readonly rulesCheckMs: number;
  readonly attachment: AttachmentName;
  /** Holds the record of the node, and of its containers. */
  readonly stateFolder: string;
  /** The private key with the backend wireguard, which is made if it is missing. */
  readonly keyFile: string;
  /** Of the CNI plugin's requests. */
  readonly cniFolder: string;
}

/** What the agent reports while it runs. */
export type NodeEvent =
  | LeaseEvent
  | KernelKeeperEvent
  | { readonly kind: 'ready'; readonly subnet: string; readonly backend: string; readonly peers: number }
  | { readonly kind: 'rules-repaired' }
  /** The interface to the other nodes has another address or MTU. */
  | { readonly kind: 'interface-changed'; readonly interface: ExternalInterface }
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
  /** Keys of leases that Barewire's nodes do not use, or not for IPv6. The node's own may be one. */
  readonly ignoredLeases: readonly IgnoredLease[];
  /** Where its rules are. */
  readonly rules: 'nftables' | 'iptables' | null;
  /** The last ones, each with its time. */
  readonly lastErrors: readonly string[];
}
