import { ipStep } from '../commands.js';
import { bypassingHost, forbids, needs, SOURCES } from '../facts.js';
import type { Attachment } from '../types.js';
import {
  addContainerAddress,
  containerOf,
  INSIDE,
  enableLoopback,
  createNamespace,
  HOST_BLOCKED,
  silenceIpv6,
  renameLink,
  enableLink,
} from './inside.js';

/**
 * A second MAC on the host's interface, in bridge mode: containers of one host reach each other, not their
 * host.
 */
export const macvlan: Attachment = {
  name: 'macvlan',
  what: "a macvlan link: its own MAC on the host's interface",
  requires: [{ kind: 'link-type', type: 'macvlan' }],
  facts: [
    ...bypassingHost(SOURCES.macvlan),
    needs('a port that accepts several MACs: not in most clouds, nor over Wi-Fi', SOURCES.macvlan),
    forbids('IPvlan or a bridge on the same interface', SOURCES.rxHandler),
  ],
  blocked: HOST_BLOCKED,
  onInterface: true,
  prepare: () => [],
  join: (site, plan) => ({
    steps: [
      createNamespace(site, plan),
      // Created under the host's name for it: kernels before 6.14 check for a link of the same name here, not
      // in the container.
      ipStep(
        null,
        'Create a macvlan link in the container.',
        `link add link ${site.host.dev} name ${plan.hostLink} netns ${plan.netns} type macvlan mode bridge`,
        { kind: 'link', netns: plan.netns, name: INSIDE },
      ),
      enableLoopback(plan),
      renameLink(plan),
      ...silenceIpv6(site, plan),
      addContainerAddress(plan, plan.prefix),
      enableLink(plan),
    ],
    container: containerOf(plan),
    path: [{ netns: plan.netns, link: INSIDE }],
  }),
};
