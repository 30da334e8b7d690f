/**
 * The name that was most likely meant, for "did you mean …": the fewest changed letters, where letters left off the end
 * (`flannel-vx` for `flannel-vxlan`) count as one change. Undefined when there is no name to offer.
 */
export function nearest(asked: string, names: readonly string[]): string | undefined {
  const ranked = names.map((name) => ({ name, changes: changes(asked.toLowerCase(), name.toLowerCase()) }));
  ranked.sort((one, other) => one.changes - other.changes);
  return ranked[0]?.name;
}

/** Edit distance by rows; a row's least value is the distance to some beginning of `name`. */
function changes(asked: string, name: string): number {
  let row = Array.from({ length: name.length + 1 }, (_, at) => at);
  for (let done = 0; done < asked.length; done++) row = nextRow(row, done, asked.charAt(done), name);
  return Math.min(row.at(-1) ?? 0, Math.min(...row) + 1);
}

function nextRow(row: readonly number[], done: number, letter: string, name: string): number[] {
  const next = [done + 1];
  for (let at = 0; at < name.length; at++) {
    const [diagonal = 0, above = 0, left = 0] = [row[at], row[at + 1], next[at]];
    next.push(Math.min(diagonal + (name[at] === letter ? 0 : 1), above + 1, left + 1));
  }
  return next;
}
