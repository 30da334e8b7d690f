import { placeContainer } from './addressing.js';
import { requireOneSegment } from './segment.js';
import type { Attachment, HostPlan, Network, NetworkRequest, HostView, Backend } from './types.js';

/** An underlay × an attachment under a catalog name. */
export function plannedNetwork(name: string, underlay: Backend, attachment: Attachment): Network {
  return {
    name,
    what: [attachment.what, underlay.what].filter((words) => words !== '').join('; '),
    requires: [...attachment.requires, ...underlay.requires],
    ...(underlay.noIpv6 !== undefined && { noIpv6: underlay.noIpv6 }),
    blocked: attachment.blocked ?? {},
    plan: (request) =>
      sitesOf(request).map((site) => {
        if (underlay.oneSegment) requireOneSegment(site, name);
        return hostPlan(site, underlay, attachment, request.containers ?? 1);
      }),
  };
}

const sitesOf = ({ run, hosts }: NetworkRequest): HostView[] =>
  hosts.map((host) => ({ run, host, peers: hosts.filter((peer) => peer !== host) }));

/** What the host has once, then its containers, from outside to inside: few changes of tool and place, which cost a process each. */
function hostPlan(site: HostView, underlay: Backend, attachment: Attachment, containers: number): HostPlan {
  const first = placeContainer(site, 1, underlay);
  const joint = attachment.join(site, first);
  const others = Array.from({ length: containers - 1 }, (_, at) =>
    attachment.join(site, placeContainer(site, at + 2, underlay)),
  );
  const known = underlay.exchangeKeys?.(site);
  return {
    host: site.host.name,
    steps: [
      ...(known?.steps ?? []),
      ...attachment.prepare(site, first),
      ...underlay.steps(site),
      ...[joint, ...others].flatMap(({ steps }) => steps),
    ],
    container: joint.container,
    extraContainers: others.map(({ container }) => container),
    ...(known && { keyExchange: { steps: known.steps.length, query: known.ask } }),
    path: [...underlay.path(site), ...joint.path],
    bypass: loopbacks(joint.container.netns),
  };
}

/** Packets that cross a loopback interface never left their host. */
const loopbacks = (netns: string | null) =>
  [...new Set([null, netns])].map((place) => ({ netns: place, link: 'lo' }));
