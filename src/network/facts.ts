import type { NetworkFact } from '../schema/index.js';

/** The documents that the facts of the catalog come from. */
export const SOURCES = {
  ipvlan: 'Linux kernel documentation, networking/ipvlan',
  rxHandler: 'Linux, netdev_rx_handler_register in net/core/dev.c',
  forwarding: 'Kubernetes documentation, Container Runtimes',
  macvlan: 'Docker documentation, Macvlan network driver',
  dockerHost: 'Docker documentation, Host network driver',
  dockerPublish: 'Docker documentation, Port publishing and mapping',
  fallbackTunnels: 'Linux kernel documentation, admin-guide/sysctl/net, fb_tunnels_only_for_init_net',
  flannel: 'flannel, Documentation/backends.md',
  flannelReleases: 'flannel, release notes of v0.20',
  linux319: 'kernelnewbies.org, Linux 3.19',
  linux49: 'kernelnewbies.org, Linux 4.9',
  linux37: 'kernelnewbies.org, Linux 3.7',
  linux56: 'kernelnewbies.org, Linux 5.6',
  policies: 'Kubernetes documentation, Network Plugins',
  vpcQuotas: 'Amazon VPC user guide, Amazon VPC quotas',
  vpcNat: 'Amazon VPC user guide, source/destination checks',
  rfc7348: 'RFC 7348, section 4.3',
  rfc2003: 'RFC 2003, section 3',
} as const;

export const needs = (what: string, source: string): NetworkFact => ({ kind: 'needs', what, source });
export const forbids = (what: string, source: string): NetworkFact => ({ kind: 'forbids', what, source });
export const offers = (what: string, source: string): NetworkFact => ({ kind: 'offers', what, source });

const S = SOURCES;
/** Of attachments whose packets cross the host's own stack. */
export const HOST_STACK: readonly NetworkFact[] = [
  needs('IP forwarding on every host', S.forwarding),
  offers("NetworkPolicy and ClusterIP in the host's netfilter", S.policies),
];
export const ownHostBlocked = (source: string): NetworkFact =>
  forbids('traffic between a container and its own host, unless it has a link as of barewire node', source);
/** Of links on the host's interface that do not, with the document of the link type. */
export const bypassingHost = (source: string): readonly NetworkFact[] => [
  forbids("NetworkPolicy and ClusterIP in the host's netfilter: packets bypass it", source),
  ownHostBlocked(source),
];
