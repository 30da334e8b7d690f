import { placeContainer } from './addressing.js';
import { requireRoomBeside } from './beside-deployed.js';
import { toSteps } from './changes.js';
import { requireOneSegment } from './segment.js';
import type {
  NetworkChange,
  Attachment,
  HostPlan,
  NetworkRequest,
  PlannedNetwork,
  HostView,
  Backend,
} from './types.js';

/** A backend and an attachment under a catalog name. */
export function plannedNetwork(name: string, backend: Backend, attachment: Attachment): PlannedNetwork {
  return {
    kind: 'planned',
    name,
    what: [attachment.what, backend.what].filter((words) => words !== '').join('; '),
    requires: [...attachment.requires, ...backend.requires],
    facts: [...backend.facts, ...attachment.facts],
    ...(backend.noIpv6 !== undefined && { noIpv6: backend.noIpv6 }),
    ...(backend.caveat !== undefined && { caveat: backend.caveat }),
    blocked: attachment.blocked ?? {},
    claims: [
      ...(backend.addresses === 'subnet' ? ['subnets' as const] : []),
      ...(attachment.onInterface === true ? ['interface' as const] : []),
    ],
    plan: (request) =>
      request.hosts
        .map((host) => ({
          run: request.run,
          station: request.station ?? name,
          host,
          peers: request.hosts.filter((peer) => peer !== host),
        }))
        .map((site) => {
          if (backend.oneSegment) requireOneSegment(site, name);
          requireRoomBeside(site, backend, attachment);
          return hostPlan(site, backend, attachment, request);
        }),
  };
}

/**
 * The host's own steps, then those of its containers, from outside to inside: few changes of tool and
 * namespace, each of which costs a process.
 */
function hostPlan(
  site: HostView,
  backend: Backend,
  attachment: Attachment,
  { containers = 1, firstContainer = 1 }: NetworkRequest,
): HostPlan {
  const first = placeContainer(site, firstContainer, backend);
  const joint = attachment.join(site, first);
  const others = Array.from({ length: containers - 1 }, (_, at) =>
    attachment.join(site, placeContainer(site, firstContainer + at + 1, backend)),
  );
  const known = backend.exchangeKeys?.(site);
  return {
    host: site.host.name,
    steps: toSteps([
      ...(known?.changes ?? []),
      ...attachment.prepare(site, first),
      ...backendChanges(site, backend),
      ...[joint, ...others].flatMap(({ changes }) => changes),
    ]),
    container: joint.container,
    extraContainers: others.map(({ container }) => container),
    ...(known && { keyExchange: { steps: toSteps(known.changes).length, query: known.ask } }),
    path: [...backend.path(site), ...joint.path],
    // Packets that cross a loopback interface never left their host.
    bypass: [...new Set([null, joint.container.netns])].map((place) => ({ netns: place, link: 'lo' })),
  };
}

/** What a host needs for itself and for its peers. */
export const backendChanges = (site: HostView, backend: Backend): NetworkChange[] => [
  ...backend.own(site),
  ...site.peers.flatMap((peer) => backend.peer(site, peer)),
  ...(backend.afterPeers?.(site) ?? []),
];
