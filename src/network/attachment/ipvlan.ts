import type { Step } from '../../schema/index.js';
import { ip } from '../commands.js';
import { singleOf, versionOf } from '../ip-version.js';
import type { Attachment, ContainerPlan, HostView } from '../types.js';
import {
  address,
  allElse,
  containerOf,
  INSIDE,
  loopback,
  namespace,
  NOT_ITS_HOST,
  quiet,
  rename,
  up,
} from './inside.js';

type Mode = 'l2' | 'l3' | 'l3s';

/** A slave of the host's interface that shares its MAC; `configure` returns its address and routes. */
const ipvlan = (mode: Mode, what: string, configure: (plan: ContainerPlan) => Step[]): Attachment => ({
  name: `ipvlan-${mode}`,
  what,
  requires: [{ kind: 'link-type', type: 'ipvlan' }],
  blocked: NOT_ITS_HOST,
  prepare: () => [],
  join: (site, plan) => ({
    steps: [...slave(site, plan, mode), ...configure(plan)],
    container: containerOf(plan),
    path: [{ netns: plan.netns, link: INSIDE }],
  }),
});

/** Undone by name: a namespace is removed later, and the address is in use until then. */
const slave = (site: HostView, plan: ContainerPlan, mode: Mode): Step[] => [
  namespace(site, plan),
  ip(
    null,
    'Make an ipvlan link into the container.',
    `link add link ${site.host.dev} name ${plan.hostLink} netns ${plan.netns} type ipvlan mode ${mode}`,
    { kind: 'link', netns: plan.netns, name: INSIDE },
  ),
  loopback(plan),
  rename(plan),
  ...quiet(site, plan),
];

const asNeighbour = (plan: ContainerPlan): Step[] => [address(plan, plan.prefix), up(plan)];

/** Layer 3 has no ARP: all packets go to the link, and the host routes them. */
const asRouted = (plan: ContainerPlan): Step[] => [
  address(plan, singleOf(versionOf(plan.address))),
  up(plan),
  allElse(plan, 'Send everything to the link.', `dev ${INSIDE}`),
];

/** ARP and broadcast work as on the wire. */
export const ipvlanL2 = ipvlan(
  'l2',
  "an IPvlan L2 link: an address of its own under the host's MAC",
  asNeighbour,
);

/** Routed in the host's namespace, bypassing its netfilter. */
export const ipvlanL3 = ipvlan('l3', 'an IPvlan L3 link: routed by the host, past its netfilter', asRouted);

/** Routed in the host's namespace, through its netfilter and connection tracking. */
export const ipvlanL3s = ipvlan(
  'l3s',
  'an IPvlan L3S link: routed by the host, through its netfilter',
  asRouted,
);
