import { addLinkLocal, enableForwarding, inKernel } from '../changes.js';
import { HOST_STACK } from '../facts.js';
import { bridgeNameOf } from '../beside-deployed.js';
import type { Attachment } from '../types.js';
import {
  addContainerAddress,
  addDefaultRoute,
  containerOf,
  linkOf,
  enableLoopback,
  createNamespace,
  silenceIpv6,
  enableLink,
} from './inside.js';

/** A bridge with the subnet's first address, and a veth pair for each container. */
// The bridge uses the lowest MTU of its ports.
export const bridge: Attachment = {
  name: 'bridge',
  what: 'a bridge and a veth pair',
  requires: [
    { kind: 'link-type', type: 'bridge' },
    { kind: 'link-type', type: 'veth' },
    { kind: 'forwarding' },
  ],
  facts: HOST_STACK,
  prepare: (site, segment) => [
    enableForwarding(site),
    inKernel(null, `Create the bridge of ${site.host.name}'s containers.`, {
      kind: 'link',
      type: 'bridge',
      name: bridgeNameOf(site.host),
      up: true,
    }),
    inKernel(null, "Add the containers' gateway address to it.", {
      kind: 'address',
      address: `${segment.gateway}/${segment.prefix}`,
      link: bridgeNameOf(site.host),
    }),
    ...addLinkLocal(site, bridgeNameOf(site.host)),
  ],
  join: (site, plan) => ({
    changes: [
      createNamespace(site, plan),
      inKernel(null, 'Create a veth pair from the bridge into the container.', {
        kind: 'link',
        type: 'veth',
        name: plan.hostLink,
        mtu: plan.mtu,
        master: bridgeNameOf(site.host),
        up: true,
        peer: { name: linkOf(plan), netns: plan.netns, mtu: plan.mtu },
      }),
      enableLoopback(plan),
      ...silenceIpv6(site, plan),
      addContainerAddress(plan, plan.prefix),
      enableLink(plan),
      addDefaultRoute(plan, 'Add the default route to the gateway.', { via: plan.gateway }),
    ],
    container: containerOf(plan, `via ${plan.gateway}`),
    path: [
      { netns: null, link: bridgeNameOf(site.host) },
      { netns: null, link: plan.hostLink },
      { netns: plan.netns, link: linkOf(plan) },
    ],
  }),
};
