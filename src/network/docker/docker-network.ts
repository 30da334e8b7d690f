import { plannedNetwork } from '../planned-network.js';
import type { Attachment, Backend, NetworkHost, PlannedNetwork } from '../types.js';
import type { ContainerEngine } from './engine.js';

/** What every network with containers of Docker needs on its hosts. */
const NEEDS = [{ kind: 'tool', name: 'docker' }] as const;

/** Of hosts in a plan that only counts steps. */
const COUNTED: ContainerEngine = { daemon: null, image: 'image', bundle: null, cpus: [], bridgeDaemon: null };

/** A network of the catalog whose containers Docker makes. */
export function dockerNetwork(name: string, backend: Backend, attachment: Attachment): PlannedNetwork {
  const network = plannedNetwork(name, backend, attachment);
  const withEngine = (host: NetworkHost): NetworkHost => ({ docker: COUNTED, ...host });
  return {
    ...network,
    // A step accepts what its hosts forward.
    requires: [...network.requires.filter(({ kind }) => kind !== 'forwarding'), ...NEEDS],
    ...(attachment.byDocker === true && {
      noIpv6: network.noIpv6 ?? "Barewire gives Docker's networks no IPv6 subnet",
    }),
    plan: (request) => network.plan({ ...request, hosts: request.hosts.map(withEngine) }),
  };
}
