import { enableForwarding, addAddress, ipStep, addLinkLocal } from '../commands.js';
import { singleOf, versionOf } from '../ip-version.js';
import { HOST_STACK } from '../facts.js';
import type { Attachment } from '../types.js';
import {
  addContainerAddress,
  addDefaultRoute,
  containerOf,
  INSIDE,
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
    steps: [
      ...[
        createNamespace(site, plan),
        ipStep(
          null,
          'Create a veth pair with one end in the container.',
          `link add ${plan.hostLink} mtu ${plan.mtu} up type veth peer name ${INSIDE} mtu ${plan.mtu} netns ${plan.netns}`,
          { kind: 'link', netns: null, name: plan.hostLink },
        ),
        addAddress(
          null,
          "Add the container's gateway address to the host's end.",
          `${plan.gateway}/${singleOf(versionOf(plan.address))}`,
          plan.hostLink,
        ),
        ...addLinkLocal(site, plan.hostLink),
        ipStep(null, 'Route to the container.', `route add ${plan.address} dev ${plan.hostLink}`),
      ],
      ...[
        enableLoopback(plan),
        ...silenceIpv6(site, plan),
        addContainerAddress(plan, singleOf(versionOf(plan.address))),
        enableLink(plan),
        ipStep(plan.netns, 'Route to the gateway.', `route add ${plan.gateway} dev ${INSIDE}`),
        addDefaultRoute(plan, 'Add the default route to the gateway.', `via ${plan.gateway}`),
      ],
    ],
    container: containerOf(plan, `via ${plan.gateway}`),
    path: [
      { netns: null, link: plan.hostLink },
      { netns: plan.netns, link: INSIDE },
    ],
  }),
};
