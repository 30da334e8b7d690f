import { ip } from '../commands.js';
import type { Attachment } from '../types.js';
import {
  address,
  containerOf,
  INSIDE,
  loopback,
  namespace,
  NOT_ITS_HOST,
  quiet,
  rename,
  up,
} from './inside.js';

/**
 * A second MAC on the host's interface, in bridge mode: containers of one host reach each other, not their
 * host.
 */
export const macvlan: Attachment = {
  name: 'macvlan',
  what: "a MACVLAN link: a MAC of its own on the host's interface",
  requires: [{ kind: 'link-type', type: 'macvlan' }],
  blocked: NOT_ITS_HOST,
  prepare: () => [],
  join: (site, plan) => ({
    steps: [
      namespace(site, plan),
      // Created under the host's name for it: kernels before 6.14 check for a link of the same name here, not
      // in the container.
      ip(
        null,
        'Make a macvlan link into the container.',
        `link add link ${site.host.dev} name ${plan.hostLink} netns ${plan.netns} type macvlan mode bridge`,
        { kind: 'link', netns: plan.netns, name: INSIDE },
      ),
      loopback(plan),
      rename(plan),
      ...quiet(site, plan),
      address(plan, plan.prefix),
      up(plan),
    ],
    container: containerOf(plan),
    path: [{ netns: plan.netns, link: INSIDE }],
  }),
};
