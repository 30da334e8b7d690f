import type { ProbeResult, Feature, Machine } from '../machine/index.js';
import { findNetwork, support, versionOf, type Requirement } from '../network/index.js';
import type { NetworkStatus } from '../schema/index.js';
import type { Testbed } from './types.js';

/**
 * Asks what the named networks need, in one go, and says for each whether it can run: on both hosts of a testbed over its version
 * of IP, or on the one machine.
 * @throws BarewireError `bad-input` for a name that is not in the catalog.
 */
export async function probeNetworks(
  where: Testbed | Pick<Machine, 'probe'>,
  names: readonly string[],
): Promise<NetworkStatus[]> {
  const networks = names.map(findNetwork);
  const features = unique(networks.flatMap(({ requires }) => requires).filter(isFeature));
  const machines = 'probe' in where ? [where] : [where.client.machine, where.server.machine];
  const ip = 'probe' in where ? 4 : versionOf(where.client.net.address);
  const answers = await Promise.all(machines.map((machine) => machine.probe(features)));
  const answerTo = (requirement: Requirement): ProbeResult => {
    if (requirement.kind === 'platform') return notThere(requirement.name);
    const at = features.findIndex((feature) => keyOf(feature) === keyOf(requirement));
    return worst(answers.map((ofMachine) => ofMachine[at]));
  };
  return networks.map((network) => support(network, network.requires.map(answerTo), ip));
}

/** A network stands on every host or on none. */
function worst(answers: readonly (ProbeResult | undefined)[]): ProbeResult {
  const given = answers.map(
    (answer): ProbeResult => answer ?? { answer: 'unknown', reason: 'the host did not say' },
  );
  const of = (kind: ProbeResult['answer']) => given.find(({ answer }) => answer === kind);
  return of('no') ?? of('unknown') ?? { answer: 'yes' };
}

/** A host cannot tell by itself where it stands, and no testbed has hosts in such a place. */
const notThere = (place: string): ProbeResult => ({
  answer: 'no',
  reason: `the hosts of this testbed do not stand in ${place}`,
});

const isFeature = (requirement: Requirement): requirement is Feature => requirement.kind !== 'platform';
const keyOf = (feature: Feature): string =>
  feature.kind === 'tool' ? `tool ${feature.name}` : `link type ${feature.type}`;
const unique = (features: readonly Feature[]): Feature[] => [
  ...new Map(features.map((feature) => [keyOf(feature), feature])).values(),
];
