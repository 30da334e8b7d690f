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
