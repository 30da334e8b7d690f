import type { EditFailure, KernelNetwork } from '../machine/index.js';
import { isKernelChange, type ContainerPlan, type KernelChange } from '../network/index.js';
import { attach } from './attach.js';
import { gatewayOf, type ContainerNetwork } from './container-network.js';

/** The alias of links that containers share: a bridge. */
export const CONTAINER_ALIAS = 'barewire cni';

/** In the changes of an attachment, the namespace of the container. */
const CONTAINER = 'container';

export interface Names {
  readonly ifname: string;
  readonly hostLink: string;
}

export function planOf(
  subnet: string,
  address: string,
  mtu: number,
  { ifname, hostLink }: Names,
): ContainerPlan {
  const [base = '', length = ''] = subnet.split('/');
  return {
    number: 0,
    netns: CONTAINER,
    hostLink,
    link: ifname,
    address,
    prefix: Number(length),
    gateway: gatewayOf(base),
    mtu,
  };
}

/** Joins a container to its host by the definitions that studies measure. */
export function joinContainer(
  { attachment, sites, mtu, kernel }: ContainerNetwork,
  container: KernelNetwork,
  addresses: readonly string[],
  names: Names & { readonly mac: string | null; readonly hairpin: boolean },
): EditFailure | null {
  for (const [at, { view, subnet }] of sites.entries()) {
    const plan = planOf(subnet, addresses[at] ?? '', mtu, names);
    const existing = kernel.links();
    const prepared = attachment
      .prepare(view, plan)
      .filter(isKernelChange)
      // What the first container of the host has made.
      .filter(({ object }) => !(object.kind === 'link' && existing.has(object.name)))
      .map((change) => withStableMac(change, plan.gateway));
    const joined = attachment
      .join(view, plan)
      .changes.filter(isKernelChange)
      .filter(
        ({ object }) => !(object.kind === 'up' && object.link === 'lo') && object.kind !== 'no-link-local',
      )
      // The link exists since the first version of IP.
      .filter(({ object }) => at === 0 || object.kind === 'address' || object.kind === 'route')
      .map((change) => withMtu(change, mtu))
      .map((change) => (names.mac === null ? change : withMac(change, names.mac)));
    const failure = attach(kernel, container, prepared, CONTAINER_ALIAS) ?? attach(kernel, container, joined);
    if (failure !== null) return failure;
    const isPort = joined.some(({ object }) => object.kind === 'link' && object.master !== undefined);
    if (names.hairpin && isPort) {
      const [refused] = kernel.apply([{ verb: 'change', link: names.hostLink, change: { hairpin: true } }]);
      if (refused !== undefined) return refused;
    }
  }
  return null;
}

/** Otherwise a bridge has the lowest MAC of its ports, and its containers' entries for the gateway become wrong. */
function withStableMac(change: KernelChange, gateway: string): KernelChange {
  const { object } = change;
  if (object.kind !== 'link' || object.type !== 'bridge' || gateway.includes(':')) return change;
  const bytes = gateway.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return { ...change, object: { ...object, mac: ['0a', '58', ...bytes].join(':') } };
}

/** A link on the host's interface has its MTU, and a tunnel has a smaller one. */
function withMtu(change: KernelChange, mtu: number): KernelChange {
  const { object } = change;
  const isOnInterface = object.kind === 'link' && (object.type === 'macvlan' || object.type === 'ipvlan');
  return isOnInterface ? { ...change, object: { ...object, mtu } } : change;
}

function withMac(change: KernelChange, mac: string): KernelChange {
  const { object } = change;
  if (object.kind !== 'link') return change;
  if (object.type === 'veth') return { ...change, object: { ...object, peer: { ...object.peer, mac } } };
  return object.type === 'macvlan' ? { ...change, object: { ...object, mac } } : change;
}
