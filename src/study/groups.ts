import type { Claim } from '../network/index.js';
import type { ResolvedStudy } from '../schema/index.js';
import { findOfferedNetwork, findTestbedKind } from '../testbed/index.js';

/**
 * Networks that are set up together in a restart, each as one or more stations: the reference twice, each contender once. Their
 * slices alternate within each round.
 */
export interface Group {
  /** From 1. */
  readonly group: number;
  readonly stations: readonly Station[];
}

/** One set-up of a network in a restart: its hosts or containers, its server and its connections. */
export interface Station {
  readonly network: string;
  readonly role: 'reference' | 'control' | 'contender';
}

type GroupedStudy = Pick<
  ResolvedStudy,
  'testbed' | 'restarts' | 'apart' | 'together' | 'reference' | 'references' | 'tuning'
>;

/**
 * The groups of a restart, each with the reference. Where each network has hosts of its own, a group has as many as fit into the
 * memory. On shared hosts networks that exclude each other are in different groups, and the first of several restarts shows what
 * each does to the reference: alone, then beside each network alone.
 */
export function groupNetworks(
  study: GroupedStudy,
  networks: readonly string[],
  restart: number,
): readonly Group[] {
  const { reference } = study;
  const references: Station[] = networks.includes(reference)
    ? [
        { network: reference, role: 'reference' },
        { network: reference, role: 'control' },
      ]
    : [];
  const contenders = networks.filter((network) => network !== reference);
  const groups = groupContenders(study, contenders, showsIsolation(study, networks) && restart === 1);
  return groups.map((names, index) => ({
    group: index + 1,
    stations: [...references, ...names.map((network): Station => ({ network, role: 'contender' }))],
  }));
}

/** Whether the first restart shows what each network does to the reference: where networks are built on hosts that others share. */
export const showsIsolation = (
  {
    testbed,
    restarts,
    reference,
    tuning,
  }: Pick<ResolvedStudy, 'testbed' | 'restarts' | 'reference' | 'tuning'>,
  networks: readonly string[],
): boolean =>
  // Arms of an ablation are one network with several settings.
  tuning?.ablation === undefined &&
  findTestbedKind(testbed).sharesHosts !== 'never' &&
  restarts > 1 &&
  networks.includes(reference) &&
  networks.some((name) => name !== reference && findOfferedNetwork(testbed, name).kind === 'planned');

function groupContenders(
  { testbed, restarts, apart, together, references, tuning }: GroupedStudy,
  names: readonly string[],
  eachAlone: boolean,
): readonly (readonly string[])[] {
  if (names.length === 0) return [names];
  const ownHosts = findTestbedKind(testbed).sharesHosts === 'never';
  if (eachAlone) return [[], ...names.map((name) => [name])];
  // A given network whose ratios are against a planned one is set up beside it.
  const leaderOf = (name: string): string | undefined =>
    names.find(
      (one) =>
        one !== name && one === references[name] && findOfferedNetwork(testbed, one).kind === 'planned',
    );
  const claimsOf = (name: string): readonly Claim[] => {
    const network = findOfferedNetwork(testbed, name);
    return ownHosts || network.kind === 'given' ? [] : network.claims;
  };
  // In a single restart nothing shows what a network does to the reference.
  const isAlone = (name: string): boolean =>
    !ownHosts &&
    tuning?.ablation === undefined &&
    (apart.includes(name) || (restarts === 1 && findOfferedNetwork(testbed, name).kind === 'planned'));
  const groups: string[][] = [];
  for (const name of names.filter((one) => leaderOf(one) === undefined)) {
    const unit = [name, ...names.filter((one) => leaderOf(one) === name)];
    const fits = (group: readonly string[]): boolean =>
      group.length + unit.length <= (together ?? Infinity) &&
      !group.some((one) => isAlone(one) || claimsOf(one).some((claim) => claimsOf(name).includes(claim)));
    const group = isAlone(name) ? undefined : groups.find(fits);
    if (group === undefined) groups.push(unit);
    else group.push(...unit);
  }
  return groups;
}
