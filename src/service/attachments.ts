import {
  bridge,
  hostGw,
  inKernel,
  ipvlanL2,
  ipvlanL3,
  ipvlanL3s,
  macvlan,
  ptp,
  type Attachment,
  type HostView,
} from '../network/index.js';
import { userError, type KernelObject } from '../schema/index.js';
import { gatewayOf } from '../cni/index.js';
import { reversePathSettings } from './aws/peers.js';
import type { BackendConfig } from './flannel/network-config.js';

/** How containers may join a node. */
export const ATTACHMENTS = ['bridge', 'ptp', 'ipvlan-l2', 'ipvlan-l3', 'ipvlan-l3s', 'macvlan'] as const;
export type AttachmentName = (typeof ATTACHMENTS)[number];

/** On the segment of a link of the host's own, which is their gateway: the host routes for them, whatever its backend. */
const throughHostLink = (attachment: Attachment): Attachment => ({
  ...attachment,
  join: (site, plan) => {
    const joined = attachment.join(site, plan);
    const route = inKernel(plan.netns, 'Add the default route to the gateway.', {
      kind: 'route',
      destination: plan.address.includes(':') ? '::/0' : 'default',
      via: plan.gateway,
    });
    return { ...joined, changes: [...joined.changes, route] };
  },
});

const BY_NAME: Readonly<Record<AttachmentName, Attachment>> = {
  bridge,
  ptp,
  'ipvlan-l2': throughHostLink(ipvlanL2),
  'ipvlan-l3': ipvlanL3,
  'ipvlan-l3s': ipvlanL3s,
  macvlan: throughHostLink(macvlan),
};

export const attachmentOf = (name: AttachmentName): Attachment => BY_NAME[name];

/**
 * IPvlan in layer 3 routes only over its own master (ipvlan_process_v4_outbound in drivers/net/ipvlan): a tunnel is another device. In
 * layer 2 nothing has been tried but routes.
 *
 * @throws BarewireError `bad-input`
 */
export function requireCompatible(name: AttachmentName, { type, directRouting }: BackendConfig): void {
  if (!name.startsWith('ipvlan') || type === hostGw.name) return;
  throw userError(
    `--attachment ${name} needs the backend host-gw: ${type}${directRouting ? ' (also with DirectRouting)' : ''} sends to some nodes by ` +
      'another device than the interface, which IPvlan bypasses.',
    'Use --attachment bridge, ptp or macvlan, or change Backend.Type of the flannel config to host-gw.',
  );
}

/**
 * What the host's netfilter sees of its containers: all; what leaves or enters the node, but not what containers of the node send each
 * other; or only what they send, because the interface hands over to them what arrives (ipvlan_handle_frame in drivers/net/ipvlan).
 */
export type NetfilterView = 'all' | 'across-nodes' | 'sent';

export const NETFILTER_VIEWS: Readonly<Record<AttachmentName, NetfilterView>> = {
  bridge: 'all',
  ptp: 'all',
  macvlan: 'across-nodes',
  'ipvlan-l3s': 'across-nodes',
  'ipvlan-l3': 'sent',
  'ipvlan-l2': 'sent',
};

/** The host's own link beside those of its containers, which share its interface and do not reach it otherwise. */
const HOST_LINK = 'bw-host';

/** What the host needs to reach its own containers; nothing where they are behind a bridge or a veth pair. */
export function hostLinkObjects(name: AttachmentName, { host }: HostView): readonly KernelObject[] {
  const [base = '', length = ''] = (host.subnet ?? '').split('/');
  const gateway = gatewayOf(base);
  const single = gateway.includes(':') ? 128 : 32;
  const common = { kind: 'link', name: HOST_LINK, dev: host.dev, createdAs: HOST_LINK, up: true } as const;
  switch (name) {
    case 'bridge':
    case 'ptp':
      return [];
    case 'macvlan':
      return [
        { ...common, type: 'macvlan' },
        { kind: 'address', link: HOST_LINK, address: `${gateway}/${length}` },
      ];
    case 'ipvlan-l2':
      return [
        { ...common, type: 'ipvlan', mode: 'l2' },
        { kind: 'address', link: HOST_LINK, address: `${gateway}/${length}` },
        // The host finds what containers send to other nodes on its interface, and routes to them by the link.
        ...(single === 32 ? reversePathSettings([host.dev]) : []).map(([key, value]) => ({
          kind: 'setting' as const,
          key,
          value,
        })),
      ];
    case 'ipvlan-l3':
    case 'ipvlan-l3s':
      return [
        { ...common, type: 'ipvlan', mode: name === 'ipvlan-l3' ? 'l3' : 'l3s' },
        { kind: 'address', link: HOST_LINK, address: `${gateway}/${single}` },
        { kind: 'route', destination: `${base}/${length}`, link: HOST_LINK },
      ];
  }
}
