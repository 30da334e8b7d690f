import type { ProbeResult, Feature, Machine } from '../machine/index.js';
import { support, versionOf, type Network, type Requirement } from '../network/index.js';
import type { NetworkStatus } from '../schema/index.js';
import { probeForwarding } from './docker/effects.js';
import type { Host, Pair } from './types.js';

/**
 * Probes the requirements of planned networks at once: on both hosts of a testbed over its version of IP, or
 * on one machine. A given network is supported, because the testbed has it.
 */
export async function probeNetworks(
  where: Pair<Host> | Pick<Machine, 'probe'>,
  networks: readonly Network[],
): Promise<NetworkStatus[]> {
  const requirements = networks.flatMap((network) => (network.kind === 'planned' ? network.requires : []));
  const features = [
    ...new Map(requirements.filter(isFeature).map((feature) => [keyOf(feature), feature])).values(),
  ];
  const machines = 'probe' in where ? [where] : [where.client.machine, where.server.machine];
  const ip = 'probe' in where ? 4 : versionOf(where.client.net.address);
  const results = await Promise.all(machines.map((machine) => machine.probe(features)));
  const forwarding = 'probe' in where ? ({ answer: 'yes' } as const) : await probeForwarding(where);
  const resultOf = (requirement: Requirement): ProbeResult => {
    if (requirement.kind === 'forwarding') return forwarding;
    if (requirement.kind === 'platform')
      return 'probe' in where || where.client.net.vpc === undefined || where.server.net.vpc === undefined
        ? { answer: 'no', reason: `not in ${requirement.name}` }
        : { answer: 'yes' };
    const index = features.findIndex((feature) => keyOf(feature) === keyOf(requirement));
    // A network needs its requirements on every host.
    const given = results
      .map((ofMachine) => ofMachine[index])
      .map((answer): ProbeResult => answer ?? { answer: 'unknown', reason: 'the host did not report it' });
    const of = (kind: ProbeResult['answer']) => given.find(({ answer }) => answer === kind);
    return of('no') ?? of('unknown') ?? { answer: 'yes' };
  };
  return networks.map((network): NetworkStatus =>
    network.kind === 'given'
      ? { name: network.name, what: network.what, support: 'yes', finding: null }
      : support(network, network.requires.map(resultOf), ip),
  );
}

const isFeature = (requirement: Requirement): requirement is Feature =>
  requirement.kind === 'tool' || requirement.kind === 'link-type';
const keyOf = (feature: Feature): string =>
  feature.kind === 'tool' ? `tool ${feature.name}` : `link type ${feature.type}`;
