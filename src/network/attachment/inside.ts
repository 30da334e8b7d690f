import type { Step } from '../../schema/index.js';
import { giveAddress, ip } from '../commands.js';
import { defaultRoute, versionOf } from '../ip-version.js';
import type { BlockedPaths, Container, ContainerPlan, HostView } from '../types.js';

/** The name of a container's interface in every attachment. */
export const INSIDE = 'eth0';

/** Links on the host's own interface (macvlan, IPvlan) cannot reach the host itself. */
export const NOT_ITS_HOST: BlockedPaths = {
  ownHost: 'the host cannot answer: what it sends leaves by its interface, past the links that sit on it',
};

export const containerOf = (plan: ContainerPlan): Container => ({
  netns: plan.netns,
  link: INSIDE,
  address: plan.address,
  mtu: plan.mtu,
});

export const namespace = (site: HostView, plan: ContainerPlan): Step =>
  ip(null, `Make a container on ${site.host.name}: a network namespace.`, `netns add ${plan.netns}`, {
    kind: 'netns',
    name: plan.netns,
  });

export const loopback = (plan: ContainerPlan): Step =>
  ip(plan.netns, 'Switch the loopback interface on.', 'link set lo up');

/**
 * No link-local address, hence no duplicate address detection and no router solicitations among the counted
 * packets.
 */
export const quiet = ({ host }: HostView, plan: ContainerPlan): Step[] =>
  host.ipv6 === false
    ? []
    : [ip(plan.netns, 'Keep IPv6 silent in the container.', `link set ${INSIDE} addrgenmode none`)];

/** Renames a link that was created under the host's name for it. */
export const rename = (plan: ContainerPlan): Step =>
  ip(plan.netns, 'Name it as containers do.', `link set ${plan.hostLink} name ${INSIDE}`);

export const address = (plan: ContainerPlan, prefix: number): Step =>
  giveAddress(plan.netns, 'Give the container its address.', `${plan.address}/${prefix}`, INSIDE);

/** `where` is `via GATEWAY` or `dev LINK`. */
export const allElse = (plan: ContainerPlan, why: string, where: string): Step =>
  ip(plan.netns, why, `route add ${defaultRoute(versionOf(plan.address))} ${where}`);

export const up = (plan: ContainerPlan): Step =>
  ip(plan.netns, "Switch the container's interface on.", `link set ${INSIDE} up`);
