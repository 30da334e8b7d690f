/**
 * Symbols stand in a plan for what is known only while it runs. `bindSymbols` replaces them, also inside longer strings, so that
 * a plan can be printed before the run and executed unchanged.
 */
export const RUN_SYMBOL = '<run>';
export const publicKeySymbol = (host: string): string => `<public-key(${host})>`;

/** Values by symbol, each with its brackets. */
export type Bindings = Readonly<Record<string, string>>;

/** Plain data with its symbols replaced. Symbols without a binding stay. */
export function bindSymbols<T>(data: T, bindings: Bindings): T {
  if (typeof data === 'string') return bindText(data, bindings) as T;
  if (Array.isArray(data)) return data.map((item: unknown) => bindSymbols(item, bindings)) as T;
  if (typeof data !== 'object' || data === null) return data;
  // An error, which has no symbols, stays an error.
  if (Object.getPrototypeOf(data) !== Object.prototype) return data;
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, bindSymbols<unknown>(value, bindings)]),
  ) as T;
}

function bindText(text: string, bindings: Bindings): string {
  if (!text.includes('<')) return text;
  const bound = Object.entries(bindings).reduce((so, [symbol, value]) => so.replaceAll(symbol, value), text);
  return bound.replace(/<mac\(([^<>()]*)\)>/g, (_, words: string) => localMac(...words.split(',')));
}

/**
 * A locally administered unicast MAC derived from words (FNV-1a, after a first byte of 02). Words that contain a symbol give the
 * symbol `<mac(WORD,…)>`.
 */
export function localMac(...words: readonly string[]): string {
  if (words.some((word) => word.includes('<'))) return `<mac(${words.join(',')})>`;
  const bytes = [0, 1, 2, 3, 4].map((salt) => fnv1a(`${salt}/${words.join('/')}`) & 0xff);
  return [2, ...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash ^ (hash >>> 16)) >>> 0;
}
