import { placeContainer } from './addressing.js';
import type { Attachment, HostPlan, Network, NetworkRequest, Site, Underlay } from './types.js';

/** An underlay × an attachment under a catalog name. */
export function pair(name: string, underlay: Underlay, attachment: Attachment): Network {
  return {
    name,
    what: [attachment.what, underlay.what].filter((words) => words !== '').join('; '),
    requires: [...attachment.requires, ...underlay.requires],
    plan: (request) => sitesOf(request).map((site) => hostPlan(site, underlay, attachment)),
  };
}

const sitesOf = ({ run, hosts }: NetworkRequest): Site[] =>
  hosts.map((host) => ({ run, host, peers: hosts.filter((peer) => peer !== host) }));

/** Underlay first, then the host's part of the attachment, then the container's: as few changes of tool and place as can be. */
function hostPlan(site: Site, underlay: Underlay, attachment: Attachment): HostPlan {
  const joint = attachment.join(site, placeContainer(site, 1, underlay));
  return {
    host: site.host.name,
    steps: [...underlay.steps(site), ...joint.steps],
    container: joint.container,
    through: [...underlay.through(site), ...joint.through],
    around: loopbacks(joint.container.netns),
  };
}

/** Packets that cross a loopback interface never left their host. */
const loopbacks = (netns: string | null) =>
  [...new Set([null, netns])].map((place) => ({ netns: place, link: 'lo' }));
