import { inKernel } from '../changes.js';
import { bypassingHost, forbids, needs, SOURCES } from '../facts.js';
import type { Attachment } from '../types.js';
import {
  addContainerAddress,
  containerOf,
  linkOf,
  enableLoopback,
  createNamespace,
  HOST_BLOCKED,
  silenceIpv6,
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
    changes: [
      createNamespace(site, plan),
      inKernel(plan.netns, 'Create a macvlan link in the container.', {
        kind: 'link',
        type: 'macvlan',
        name: linkOf(plan),
        dev: site.host.dev,
        createdAs: plan.hostLink,
      }),
      enableLoopback(plan),
      ...silenceIpv6(site, plan),
      addContainerAddress(plan, plan.prefix),
      enableLink(plan),
    ],
    container: containerOf(plan),
    path: [{ netns: plan.netns, link: linkOf(plan) }],
  }),
};
