import { besideHost } from './segment.js';
import type { ContainerPlan, NetHost, Site, Underlay } from './types.js';

/**
 * Subnets of hosts: 198.19.INDEX.0/24, the upper half of the range that RFC 2544 keeps for benchmarks. The lower half is
 * left to the wires of testbeds.
 */
const subnet = (host: NetHost): string => `198.19.${host.index}`;
export const subnetOf = (host: NetHost): string => `${subnet(host)}.0/24`;
/** The address of the host's tunnel device: flannel gives it the subnet's `.0`. */
export const tunnelAddress = (host: NetHost): string => `${subnet(host)}.0`;

/** Where container `number` (1, 2, …) of the site's host goes. */
export function placeContainer(site: Site, number: number, underlay: Underlay): ContainerPlan {
  const { run, host } = site;
  return {
    netns: `bw-${run}-${host.name}-c${number}`,
    hostLink: `bw-${run}-c${number}`,
    mtu: host.mtu - underlay.overheadBytes,
    ...addresses(site, number, underlay),
  };
}

function addresses(
  site: Site,
  number: number,
  underlay: Underlay,
): Pick<ContainerPlan, 'address' | 'prefix' | 'gateway'> {
  const { host } = site;
  switch (underlay.addresses) {
    case 'host':
      return { address: host.address, prefix: host.prefix, gateway: host.address };
    case 'segment':
      return { address: besideHost(site, number), prefix: host.prefix, gateway: host.address };
    case 'subnet':
      return { address: `${subnet(host)}.${number + 1}`, prefix: 24, gateway: `${subnet(host)}.1` };
  }
}
