import type { RouteObject, Step } from '../../schema/index.js';
import { inKernel } from '../changes.js';
import { ipStep } from '../commands.js';
import { defaultRoute, versionOf } from '../ip-version.js';
import type { KernelChange, BlockedPaths, Container, ContainerPlan, HostView } from '../types.js';

/** The name of a container's interface in every attachment. */
export const INSIDE = 'eth0';

export const linkOf = ({ link = INSIDE }: Pick<ContainerPlan, 'link'>): string => link;

/** Links on the host's own interface (macvlan, IPvlan) cannot reach the host itself. */
export const HOST_BLOCKED: BlockedPaths = {
  ownHost: 'the host cannot reply: its packets leave by its interface and bypass the links on top of it',
};

/** @param nexthop by default on the link: the container is on its peers' segment, or needs no neighbours */
export const containerOf = (plan: ContainerPlan, nexthop = `dev ${linkOf(plan)}`): Container => ({
  netns: plan.netns,
  link: linkOf(plan),
  address: plan.address,
  mtu: plan.mtu,
  nexthop,
});

export const createNamespace = (site: HostView, plan: ContainerPlan): Step =>
  ipStep(null, `Create a container on ${site.host.name}: a network namespace.`, `netns add ${plan.netns}`, {
    kind: 'netns',
    name: plan.netns,
  });

export const enableLoopback = (plan: ContainerPlan): KernelChange =>
  inKernel(plan.netns, 'Enable the loopback interface.', { kind: 'up', link: 'lo' });

/**
 * No link-local address, hence no duplicate address detection and no router solicitations among the counted
 * packets.
 */
export const silenceIpv6 = ({ host }: HostView, plan: ContainerPlan): KernelChange[] =>
  host.ipv6 === false
    ? []
    : [
        inKernel(plan.netns, 'Disable IPv6 link-local addresses in the container.', {
          kind: 'no-link-local',
          link: linkOf(plan),
        }),
      ];

export const addContainerAddress = (plan: ContainerPlan, prefix: number): KernelChange =>
  inKernel(plan.netns, "Add the container's address.", {
    kind: 'address',
    address: `${plan.address}/${prefix}`,
    link: linkOf(plan),
  });

export const addDefaultRoute = (
  plan: ContainerPlan,
  why: string,
  where: Pick<RouteObject, 'via' | 'link'>,
): KernelChange =>
  inKernel(plan.netns, why, {
    kind: 'route',
    destination: defaultRoute(versionOf(plan.address)),
    ...where,
  });

export const enableLink = (plan: ContainerPlan): KernelChange =>
  inKernel(plan.netns, "Enable the container's interface.", { kind: 'up', link: linkOf(plan) });
