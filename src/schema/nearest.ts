import { distance } from 'fastest-levenshtein';

/**
 * Returns the name that was most likely meant, for "Did you mean …": the fewest edits, where omitting the end of the name
 * (`flannel-vx` for `flannel-vxlan`) counts as one. Undefined without names.
 */
export function nearest(asked: string, names: readonly string[]): string | undefined {
  const ranked = names.map((name) => ({ name, edits: countEdits(asked.toLowerCase(), name.toLowerCase()) }));
  return ranked.toSorted((one, other) => one.edits - other.edits)[0]?.name;
}

/** The nearest name as the beginning of a hint, `Did you mean "ptp"? `, or nothing where all names are far from the one asked for. */
export function didYouMean(asked: string, names: readonly string[]): string {
  const meant = nearest(asked, names);
  if (meant === undefined) return '';
  const isFar = countEdits(asked.toLowerCase(), meant.toLowerCase()) > Math.ceil(asked.length / 2);
  return isFar ? '' : `Did you mean "${meant}"? `;
}

function countEdits(asked: string, name: string): number {
  const beginnings = Array.from(name, (_, length) => distance(asked, name.slice(0, length)));
  return Math.min(distance(asked, name), Math.min(...beginnings) + 1);
}
