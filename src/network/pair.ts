import { placeContainer } from './addressing.js';
import { requireOneSegment } from './segment.js';
import type { Attachment, HostPlan, Network, NetworkRequest, Site, Underlay } from './types.js';

/** An underlay × an attachment under a catalog name. */
export function pair(name: string, underlay: Underlay, attachment: Attachment): Network {
  return {
    name,
    what: [attachment.what, underlay.what].filter((words) => words !== '').join('; '),
    requires: [...attachment.requires, ...underlay.requires],
    plan: (request) =>
      sitesOf(request).map((site) => {
        if (underlay.oneSegment) requireOneSegment(site, name);
        return hostPlan(site, underlay, attachment);
      }),
  };
}

const sitesOf = ({ run, hosts }: NetworkRequest): Site[] =>
  hosts.map((host) => ({ run, host, peers: hosts.filter((peer) => peer !== host) }));

/** What the host has once, then its container, from outside to inside: few changes of tool and place, which cost a process each. */
function hostPlan(site: Site, underlay: Underlay, attachment: Attachment): HostPlan {
  const container = placeContainer(site, 1, underlay);
  const joint = attachment.join(site, container);
  return {
    host: site.host.name,
    steps: [...attachment.prepare(site, container), ...underlay.steps(site), ...joint.steps],
    container: joint.container,
    through: [...underlay.through(site), ...joint.through],
    around: loopbacks(joint.container.netns),
  };
}

/** Packets that cross a loopback interface never left their host. */
const loopbacks = (netns: string | null) =>
  [...new Set([null, netns])].map((place) => ({ netns: place, link: 'lo' }));
