/** The 4 or 16 bytes of an address, in network order. IPv6 is without a zone. */
export function addressBytes(address: string): Uint8Array {
  if (!address.includes(':')) return ipv4Bytes(address);
  // The URL parser writes any form of an address in its shortest one: at most one `::`, no dotted tail.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const left = groupsOf(head);
  const right = groupsOf(tail ?? '');
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => 0);
  return Uint8Array.from([...left, ...zeros, ...right].flatMap((group) => [group >> 8, group & 255]));
}

/** By characters: a node with thousands of peers converts tens of thousands of addresses when it starts. */
function ipv4Bytes(address: string): Uint8Array {
  const bytes = new Uint8Array(4);
  let part = 0;
  for (let at = 0; at < address.length; at++) {
    const code = address.charCodeAt(at);
    if (code === DOT) part++;
    else bytes[part] = 10 * (bytes[part] ?? 0) + code - ZERO;
  }
  return bytes;
}
const DOT = 46;
const ZERO = 48;

const groupsOf = (text: string): number[] =>
  text === '' ? [] : text.split(':').map((group) => parseInt(group, 16));

/** The text of 4 or 16 bytes, in its shortest form (RFC 5952). */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, at) =>
    (((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)).toString(16),
  );
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

export const macBytes = (mac: string): Uint8Array => Buffer.from(mac.replaceAll(':', ''), 'hex');

export const macText = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
