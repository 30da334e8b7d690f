import { userError } from '../schema/index.js';
import { LEAST_MTU, versionOf } from './ip-version.js';
import { besideHost } from './segment.js';
import type { ContainerPlan, NetworkHost, HostView, Backend } from './types.js';

/**
 * Subnets of hosts, in the upper half of the ranges reserved for benchmarks (RFC 2544 for IPv4, RFC 5180 for
 * IPv6): 198.19.INDEX.0/24 and 2001:2:0:19INDEX::/64. Wires of testbeds use the lower half.
 */
const subnet = {
  4: { all: '198.19.0.0/16', first: ({ index }: NetworkHost) => `198.19.${index}.`, prefix: 24 },
  6: {
    all: '2001:2:0:1900::/56',
    first: ({ index }: NetworkHost) => `2001:2:0:19${index.toString(16).padStart(2, '0')}::`,
    prefix: 64,
  },
} as const;
const ofVersion = (host: NetworkHost) => subnet[versionOf(host.address)];

/** The range that contains all hosts' subnets. */
export const wholeNetwork = (host: NetworkHost): string => host.network ?? ofVersion(host).all;
export const subnetOf = (host: NetworkHost): string =>
  host.subnet ?? `${addressInSubnet(host, 0)}/${ofVersion(host).prefix}`;
/** The address of the host's tunnel device: as with flannel, the first of the subnet. */
export const tunnelAddress = (host: NetworkHost): string => subnetOf(host).split('/')[0] ?? '';

/** Address `number` of the host's subnet. */
function addressInSubnet(host: NetworkHost, number: number): string {
  const first = ofVersion(host).first(host);
  if (versionOf(host.address) === 4) return `${first}${number}`;
  return number === 0 ? first : `${first}${number.toString(16)}`;
}

/** Chooses names and address of container `number` (1, 2, …) of a host. */
export function placeContainer(site: HostView, number: number, backend: Backend): ContainerPlan {
  const { run, host } = site;
  return {
    number,
    netns: `bw-${run}-${host.name}-c${number}`,
    hostLink: `bw-${run}-c${number}`,
    mtu: containerMtu(host, backend),
    ...addresses(site, number, backend),
  };
}

/**
 * The MTU between a host and its containers. Throws `bad-input` when the backend's overhead leaves too
 * little.
 */
export function containerMtu(
  host: Pick<NetworkHost, 'name' | 'address' | 'mtu'>,
  { name, overheadBytes }: Pick<Backend, 'name' | 'overheadBytes'>,
): number {
  const version = versionOf(host.address);
  const mtu = host.mtu - overheadBytes[version];
  if (mtu >= LEAST_MTU[version]) return mtu;
  throw userError(
    `${name} leaves an MTU of ${mtu} bytes on ${host.name}, whose wire has ${host.mtu}: IPv${version} needs ${LEAST_MTU[version]}.`,
    'Increase the MTU of the wire, or omit this network.',
  );
}

function addresses(
  site: HostView,
  number: number,
  backend: Backend,
): Pick<ContainerPlan, 'address' | 'prefix' | 'gateway'> {
  const { host } = site;
  switch (backend.addresses) {
    case 'host':
      return { address: host.address, prefix: host.prefix, gateway: host.address };
    case 'segment':
      return { address: besideHost(site, number), prefix: host.prefix, gateway: host.address };
    case 'subnet':
      return {
        address: addressInSubnet(host, number + 1),
        prefix: ofVersion(host).prefix,
        gateway: addressInSubnet(host, 1),
      };
  }
}
