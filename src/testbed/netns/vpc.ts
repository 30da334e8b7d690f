import { localMac, subnetOf, type NetworkHost } from '../../network/index.js';
import type { Step } from '../../schema/index.js';
import { hostNetns } from './names.js';

const DEV = 'vpc0';
const PREFIX = 24;

/** Each host is in a VPC subnet of its own, whose first address is that of the router, as at AWS. */
const addressIn = (index: number, number: number): string => `198.18.${index}.${number}`;
export const portOf = (index: number) => ({ dev: DEV, router: addressIn(index, 1) });

/**
 * A namespace that routes in place of a VPC, with a second interface of each host in it. No packet of another network crosses it.
 * Nothing without hosts that have a place in a VPC.
 */
export function vpcSteps(run: string, hosts: readonly NetworkHost[]): Step[] {
  const placed = hosts.filter(({ vpc }) => vpc !== undefined);
  if (placed.length === 0) return [];
  const netns = hostNetns(run, 'vpc');
  const setting = (why: string, key: string): Step => ({
    why,
    do: { kind: 'sysctl', netns, key, value: '1' },
    undo: null,
  });
  return [
    {
      ...ip(null, 'Create a network namespace that routes in place of a VPC.', `netns add ${netns}`),
      undo: { kind: 'netns', name: netns },
    },
    ...(placed.some(({ ipv6 }) => ipv6 !== false)
      ? [setting('Disable IPv6 in it.', 'net.ipv6.conf.default.disable_ipv6')]
      : []),
    setting('Let it forward.', 'net.ipv4.ip_forward'),
    ...placed.flatMap((host) => attach(run, netns, host)),
  ];
}

/** The host's interface in the VPC, the router's end of it, and the route to the host's containers. */
function attach(run: string, router: string, host: NetworkHost): Step[] {
  const { name, index, mtu } = host;
  const netns = hostNetns(run, name);
  const mac = localMac('vpc', run, name);
  const far = `peer name ${name} mtu ${mtu} netns ${router}`;
  return [
    ip(
      netns,
      `Create the ${name}'s interface in the VPC.`,
      `link add ${DEV} address ${mac} mtu ${mtu} type veth ${far}`,
    ),
    ip(netns, "Add the instance's address.", `addr add ${addressIn(index, 2)}/${PREFIX} dev ${DEV}`),
    ip(netns, 'Enable it.', `link set ${DEV} up`),
    ip(router, "Add the router's address.", `addr add ${addressIn(index, 1)}/${PREFIX} dev ${name}`),
    ip(router, "Enable the router's end.", `link set ${name} up`),
    ip(
      router,
      `Route to the ${name}'s containers, as the VPC's route table does.`,
      `route add ${subnetOf(host)} via ${addressIn(index, 2)}`,
    ),
  ];
}

const ip = (netns: string | null, why: string, line: string): Step => ({
  why,
  do: { kind: 'command', tool: 'ip', netns, args: line.split(' ') },
  undo: null,
});
