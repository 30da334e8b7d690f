import { addLinkLocal, enableForwarding, inKernel } from '../changes.js';
import { singleOf, versionOf } from '../ip-version.js';
import { HOST_STACK } from '../facts.js';
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

/** A veth pair and a route for each container, without a bridge: CNI's `ptp`. */
export const ptp: Attachment = {
  name: 'ptp',
  what: 'a routed veth pair',
  requires: [{ kind: 'link-type', type: 'veth' }, { kind: 'forwarding' }],
  facts: HOST_STACK,
  prepare: (site) => [enableForwarding(site)],
  join: (site, plan) => ({
    changes: [
      createNamespace(site, plan),
      inKernel(null, 'Create a veth pair with one end in the container.', {
        kind: 'link',
        type: 'veth',
        name: plan.hostLink,
        mtu: plan.mtu,
        up: true,
        peer: { name: linkOf(plan), netns: plan.netns, mtu: plan.mtu },
      }),
      inKernel(null, "Add the container's gateway address to the host's end.", {
        kind: 'address',
        address: `${plan.gateway}/${singleOf(versionOf(plan.address))}`,
        link: plan.hostLink,
      }),
      ...addLinkLocal(site, plan.hostLink),
      inKernel(null, 'Route to the container.', {
        kind: 'route',
        destination: plan.address,
        link: plan.hostLink,
      }),
      enableLoopback(plan),
      ...silenceIpv6(site, plan),
      addContainerAddress(plan, singleOf(versionOf(plan.address))),
      enableLink(plan),
      inKernel(plan.netns, 'Route to the gateway.', {
        kind: 'route',
        destination: plan.gateway,
        link: linkOf(plan),
      }),
      addDefaultRoute(plan, 'Add the default route to the gateway.', { via: plan.gateway }),
    ],
    container: containerOf(plan, `via ${plan.gateway}`),
    path: [
      { netns: null, link: plan.hostLink },
      { netns: plan.netns, link: linkOf(plan) },
    ],
  }),
};
