import { distance } from 'fastest-levenshtein';

/**
 * Returns the name that was most likely meant, for "Did you mean …": the fewest edits, where omitting the end of the name
 * (`flannel-vx` for `flannel-vxlan`) counts as one. Undefined without names.
 */
export function nearest(asked: string, names: readonly string[]): string | undefined {
  const ranked = names.map((name) => ({ name, edits: countEdits(asked.toLowerCase(), name.toLowerCase()) }));
  return ranked.toSorted((one, other) => one.edits - other.edits)[0]?.name;
}

function countEdits(asked: string, name: string): number {
  const beginnings = Array.from(name, (_, length) => distance(asked, name.slice(0, length)));
  return Math.min(distance(asked, name), Math.min(...beginnings) + 1);
}
