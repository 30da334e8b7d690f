import type { Step } from '../../schema/index.js';
import { forwarding, giveAddress, ip, linkLocal } from '../commands.js';
import { singleOf, versionOf } from '../ip-version.js';
import type { Attachment, ContainerPlan, HostView } from '../types.js';
import { address, allElse, containerOf, INSIDE, loopback, namespace, quiet, up } from './inside.js';

/** A veth pair and a route for each container, without a bridge: CNI's `ptp`. */
export const ptp: Attachment = {
  name: 'ptp',
  what: 'a routed veth pair',
  requires: [{ kind: 'link-type', type: 'veth' }],
  prepare: (site) => [forwarding(site)],
  join: (site, plan) => ({
    steps: [...onHost(site, plan), ...inContainer(site, plan)],
    container: containerOf(plan),
    path: [
      { netns: null, link: plan.hostLink },
      { netns: plan.netns, link: INSIDE },
    ],
  }),
};

const onHost = (site: HostView, plan: ContainerPlan): Step[] => [
  namespace(site, plan),
  ip(
    null,
    'Make a pair of links, one end in the container.',
    `link add ${plan.hostLink} mtu ${plan.mtu} up type veth peer name ${INSIDE} mtu ${plan.mtu} netns ${plan.netns}`,
    { kind: 'link', netns: null, name: plan.hostLink },
  ),
  giveAddress(null, "Make the host the container's gateway.", single(plan, plan.gateway), plan.hostLink),
  ...linkLocal(site, plan.hostLink),
  ip(null, 'Send what is for the container into the pair.', `route add ${plan.address} dev ${plan.hostLink}`),
];

const inContainer = (site: HostView, plan: ContainerPlan): Step[] => [
  loopback(plan),
  ...quiet(site, plan),
  address(plan, singleOf(versionOf(plan.address))),
  up(plan),
  ip(plan.netns, 'Say that the gateway is at the other end.', `route add ${plan.gateway} dev ${INSIDE}`),
  allElse(plan, 'Send everything to the gateway.', `via ${plan.gateway}`),
];

const single = ({ address: own }: ContainerPlan, address: string): string =>
  `${address}/${singleOf(versionOf(own))}`;
