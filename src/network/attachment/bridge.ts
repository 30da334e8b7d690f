import { enableForwarding, addAddress, ipStep, addLinkLocal } from '../commands.js';
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

const BRIDGE = 'cni0';

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
    ...[
      ipStep(
        null,
        `Create the bridge of ${site.host.name}'s containers.`,
        `link add ${BRIDGE} up type bridge`,
        {
          kind: 'link',
          netns: null,
          name: BRIDGE,
        },
      ),
      addAddress(
        null,
        "Add the containers' gateway address to it.",
        `${segment.gateway}/${segment.prefix}`,
        BRIDGE,
      ),
      ...addLinkLocal(site, BRIDGE),
    ],
  ],
  join: (site, plan) => ({
    steps: [
      ...[
        createNamespace(site, plan),
        ipStep(
          null,
          'Create a veth pair from the bridge into the container.',
          `link add ${plan.hostLink} mtu ${plan.mtu} master ${BRIDGE} up` +
            ` type veth peer name ${INSIDE} mtu ${plan.mtu} netns ${plan.netns}`,
          { kind: 'link', netns: null, name: plan.hostLink },
        ),
      ],
      ...[
        enableLoopback(plan),
        ...silenceIpv6(site, plan),
        addContainerAddress(plan, plan.prefix),
        enableLink(plan),
        addDefaultRoute(plan, 'Add the default route to the gateway.', `via ${plan.gateway}`),
      ],
    ],
    container: containerOf(plan, `via ${plan.gateway}`),
    path: [
      { netns: null, link: BRIDGE },
      { netns: null, link: plan.hostLink },
      { netns: plan.netns, link: INSIDE },
    ],
  }),
};
