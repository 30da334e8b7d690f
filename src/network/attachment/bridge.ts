import type { Step } from '../../schema/index.js';
import { forwarding, giveAddress, ip, linkLocal } from '../commands.js';
import type { Attachment, ContainerPlan, Segment, HostView } from '../types.js';
import { address, allElse, containerOf, INSIDE, loopback, namespace, quiet, up } from './inside.js';

const BRIDGE = 'cni0';

/** A bridge with the subnet's first address, and a veth pair for each container. */
export const bridge: Attachment = {
  name: 'bridge',
  what: 'a bridge and a veth pair',
  requires: [
    { kind: 'link-type', type: 'bridge' },
    { kind: 'link-type', type: 'veth' },
  ],
  prepare: (site, segment) => [forwarding(site), ...device(site, segment)],
  join: (site, plan) => ({
    steps: [...onHost(site, plan), ...inContainer(site, plan)],
    container: containerOf(plan),
    path: [
      { netns: null, link: BRIDGE },
      { netns: null, link: plan.hostLink },
      { netns: plan.netns, link: INSIDE },
    ],
  }),
};

/** The bridge uses the lowest MTU of its ports. */
const device = (site: HostView, { gateway, prefix }: Segment): Step[] => [
  ip(
    null,
    `Make the bridge that joins ${site.host.name}'s containers.`,
    `link add ${BRIDGE} up type bridge`,
    {
      kind: 'link',
      netns: null,
      name: BRIDGE,
    },
  ),
  giveAddress(null, "Make it the containers' gateway.", `${gateway}/${prefix}`, BRIDGE),
  ...linkLocal(site, BRIDGE),
];

const onHost = (site: HostView, plan: ContainerPlan): Step[] => [
  namespace(site, plan),
  ip(
    null,
    'Make a pair of links from the bridge into the container.',
    `link add ${plan.hostLink} mtu ${plan.mtu} master ${BRIDGE} up` +
      ` type veth peer name ${INSIDE} mtu ${plan.mtu} netns ${plan.netns}`,
    { kind: 'link', netns: null, name: plan.hostLink },
  ),
];

const inContainer = (site: HostView, plan: ContainerPlan): Step[] => [
  loopback(plan),
  ...quiet(site, plan),
  address(plan, plan.prefix),
  up(plan),
  allElse(plan, 'Send all else to the gateway.', `via ${plan.gateway}`),
];
