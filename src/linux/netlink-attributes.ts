/** Attributes by type; of several with one type, the last. */
export type Attributes = ReadonlyMap<number, Buffer>;

export const parseAttributes = (bytes: Buffer): Attributes => new Map(listAttributes(bytes));

/** Attributes in their order, as in an array, where all have one type. */
export function listAttributes(bytes: Buffer): [type: number, value: Buffer][] {
  const attributes: [number, Buffer][] = [];
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = bytes.readUInt16LE(at);
    if (length < 4) break;
    // The upper bits say that it is nested, or in network order.
    attributes.push([bytes.readUInt16LE(at + 2) & 0x3fff, bytes.subarray(at + 4, at + length)]);
    at += (length + 3) & ~3;
  }
  return attributes;
}

/** Values of attributes. */
export const u8 = (value: number): Uint8Array => Uint8Array.of(value);
export const u16 = (value: number): Uint8Array => new Uint8Array(Uint16Array.of(value).buffer);
export function u32(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
export const beU16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);
export const zeroTerminated = (value: string): Uint8Array => Buffer.from(`${value}\0`);
