import { sharesNodes, type PodNetwork } from './networks.js';

/** Which networks ratios are against: the study's reference first, and those of networks that have another one. */
export interface ChosenReferences {
  readonly names: readonly string[];
  readonly byNetwork: Readonly<Record<string, string>>;
}

/**
 * Chooses a reference for each pair of nodes, across them and on one node: its host network, or a pod network where that is refused.
 * The first is the study's: across the study's own nodes where it has networks there.
 */
export function chooseReferences(networks: readonly PodNetwork[]): ChosenReferences {
  const own = networks.filter(({ nodes }) => nodes === undefined);
  const ordered = [
    ...own.filter(({ onOneNode }) => !onOneNode),
    ...own.filter(({ onOneNode }) => onOneNode),
    ...networks.filter(({ nodes }) => nodes !== undefined),
  ];
  const names: string[] = [];
  const byNetwork: Record<string, string> = {};
  for (const [index, first] of ordered.entries()) {
    if (ordered.findIndex((one) => sharesNodes(one, first)) < index) continue;
    const together = ordered.filter((one) => sharesNodes(one, first));
    const direct = together.filter(({ to }) => to === 'pod');
    const reference =
      direct.find(({ client }) => client === 'host') ??
      direct.find(({ template }) => template === undefined) ??
      direct[0];
    if (reference === undefined) continue;
    names.push(reference.name);
    if (names.length > 1) for (const { name } of together) byNetwork[name] = reference.name;
  }
  return { names, byNetwork };
}
