import type { IpvlanMode, NetworkFact } from '../../schema/index.js';
import { inKernel } from '../changes.js';
import { bypassingHost, forbids, needs, offers, ownHostBlocked, SOURCES } from '../facts.js';
import { singleOf, versionOf } from '../ip-version.js';
import type { KernelChange, Attachment, ContainerPlan } from '../types.js';
import {
  addContainerAddress,
  addDefaultRoute,
  containerOf,
  linkOf,
  enableLoopback,
  createNamespace,
  HOST_BLOCKED,
  silenceIpv6,
  enableLink,
} from './inside.js';

/** Of all modes. */
const SHARED: readonly NetworkFact[] = [
  needs('Linux 3.19 or newer', SOURCES.linux319),
  forbids('macvlan or a bridge on the same interface', SOURCES.rxHandler),
  forbids('two modes on one interface', SOURCES.ipvlan),
];
/** Without a link of the host's own beside those of its containers. */
const OWN_HOST_BLOCKED = ownHostBlocked(SOURCES.ipvlan);
const NO_BROADCAST = forbids('broadcast and multicast', SOURCES.ipvlan);

/** A slave of the host's interface that shares its MAC; `configure` returns its address and routes. */
const ipvlan = (
  mode: IpvlanMode,
  what: string,
  facts: readonly NetworkFact[],
  configure: (plan: ContainerPlan) => KernelChange[],
): Attachment => ({
  name: `ipvlan-${mode}`,
  what,
  requires: [{ kind: 'link-type', type: 'ipvlan' }],
  facts: [...SHARED, ...facts],
  blocked: HOST_BLOCKED,
  onInterface: true,
  prepare: () => [],
  join: (site, plan) => ({
    changes: [
      createNamespace(site, plan),
      inKernel(plan.netns, 'Create an IPvlan link in the container.', {
        kind: 'link',
        type: 'ipvlan',
        name: linkOf(plan),
        dev: site.host.dev,
        mode,
        createdAs: plan.hostLink,
      }),
      enableLoopback(plan),
      ...silenceIpv6(site, plan),
      ...configure(plan),
    ],
    container: containerOf(plan),
    path: [{ netns: plan.netns, link: linkOf(plan) }],
  }),
});

/** Layer 3 has no ARP: all packets go to the link, and the host routes them. */
const asRouted = (plan: ContainerPlan): KernelChange[] => [
  addContainerAddress(plan, singleOf(versionOf(plan.address))),
  enableLink(plan),
  addDefaultRoute(plan, 'Add the default route to the link.', { link: linkOf(plan) }),
];

/** ARP and broadcast work as on the wire. */
export const ipvlanL2 = ipvlan(
  'l2',
  "an IPvlan L2 link: its own address, the host's MAC",
  bypassingHost(SOURCES.ipvlan),
  (plan: ContainerPlan) => [addContainerAddress(plan, plan.prefix), enableLink(plan)],
);

/** Routed in the host's namespace. What arrives bypasses its netfilter. */
export const ipvlanL3 = ipvlan(
  'l3',
  'an IPvlan L3 link: routed by the host, bypasses its netfilter',
  [
    forbids("NetworkPolicy in the host's netfilter for what arrives: it bypasses it", SOURCES.ipvlan),
    forbids("ClusterIP, unless the client's address is masqueraded as barewire node does", SOURCES.ipvlan),
    OWN_HOST_BLOCKED,
    NO_BROADCAST,
  ],
  asRouted,
);

/** Routed in the host's namespace, through its netfilter and connection tracking. */
export const ipvlanL3s = ipvlan(
  'l3s',
  'an IPvlan L3S link: routed by the host, passes its netfilter',
  [
    needs('Linux 4.9 or newer', SOURCES.linux49),
    NO_BROADCAST,
    OWN_HOST_BLOCKED,
    offers(
      "NetworkPolicy and ClusterIP between hosts, in netfilter's hooks input and output",
      SOURCES.ipvlan,
    ),
    forbids('NetworkPolicy between containers of a host: they bypass its netfilter', SOURCES.ipvlan),
  ],
  asRouted,
);
