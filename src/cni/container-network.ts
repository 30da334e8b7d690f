import type { KernelNetwork } from '../machine/index.js';
import type { Attachment, HostView } from '../network/index.js';

/** The node's side of its containers' networks: once for each version of IP. */
export interface ContainerNetwork {
  readonly attachment: Attachment;
  /** The first is of IPv4. */
  readonly sites: readonly ContainerSite[];
  readonly mtu: number;
  /** What the containers' routes lead to, in addition to the default route. */
  readonly kernel: KernelNetwork;
}

interface ContainerSite {
  readonly view: HostView;
  readonly subnet: string;
}

/** The first address of a subnet after its own. */
export function gatewayOf(base: string): string {
  if (base.includes(':')) return base.endsWith('::') ? `${base}1` : base.replace(/:0$/, ':1');
  const parts = base.split('.').map(Number);
  return [...parts.slice(0, 3), (parts[3] ?? 0) + 1].join('.');
}
