import { ip } from '../commands.js';
import type { Attachment, ContainerPlan, Site } from '../types.js';
import { address, containerOf, INSIDE, loopback, namespace, rename, up } from './inside.js';

/** A slave of the host's interface that shares its MAC; on layer 2, ARP and broadcast work as on the wire. */
export const ipvlanL2: Attachment = {
  name: 'ipvlan-l2',
  what: "an address of its own on the host's interface (layer 2)",
  requires: [{ kind: 'link-type', type: 'ipvlan' }],
  join: (site, plan) => ({
    steps: [...slave(site, plan, 'l2'), address(plan, plan.prefix), up(plan)],
    container: containerOf(plan),
    through: [{ netns: plan.netns, link: INSIDE }],
  }),
};

/** Taken away by name, not only with its namespace: a namespace ends later, and until then the address is still taken. */
const slave = (site: Site, plan: ContainerPlan, mode: 'l2' | 'l3' | 'l3s') => [
  namespace(site, plan),
  ip(
    null,
    'Make an ipvlan link into the container.',
    `link add link ${site.host.dev} name ${plan.hostLink} netns ${plan.netns} type ipvlan mode ${mode}`,
    { kind: 'link', netns: plan.netns, name: INSIDE },
  ),
  rename(plan),
  loopback(plan),
];
