/**
 * Splits an object into the keys that flannel knows and the others. Go's JSON matches keys without case, and the
 * last of several wins.
 */
export function matchKeys<const Key extends string>(
  found: Readonly<Record<string, unknown>>,
  keys: readonly Key[],
): { readonly known: Partial<Record<Key, unknown>>; readonly rest: Record<string, unknown> } {
  const known: Partial<Record<Key, unknown>> = {};
  const rest: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(found)) {
    const key = keys.find((each) => each.toLowerCase() === name.toLowerCase());
    if (key === undefined) rest[name] = value;
    else known[key] = value;
  }
  return { known, rest };
}
