/** The header words that matter. A mask has one bit for each, by index. */
const WORDS = [
  'content-length',
  'transfer-encoding',
  'connection',
  'chunked',
  'close',
  'keep-alive',
  'identity',
].map((word: string) => Uint8Array.from(word, (letter) => letter.charCodeAt(0)));
export const CONTENT_LENGTH = 0;
export const CONNECTION = 2;
export const CHUNKED = 3;
export const CLOSE = 4;
export const KEEP_ALIVE = 5;
/** No coding: HTTP/1.1 had it until 2014, and servers still send it. */
export const IDENTITY = 6;

/** Where a match may start: any header's name, or a value of `Transfer-Encoding` or `Connection`. */
export const NAMES = 0b000111;
export const CODINGS = 0b1001000;
export const CONNECTION_OPTIONS = 0b110000;

/** Returns the words of `mask` that still match when `byte`, in any case, is at index `place`. */
export function narrow(mask: number, place: number, byte: number): number {
  const lower = byte >= 65 && byte <= 90 ? byte + 32 : byte;
  let left = mask;
  for (let word = 0; left >> word !== 0; word++)
    if ((left & (1 << word)) !== 0 && WORDS[word]![place] !== lower) left &= ~(1 << word);
  return left;
}

/** Returns the word of `mask` with exactly `length` letters; -1 for none. */
export function wordOf(mask: number, length: number): number {
  for (let word = 0; mask >> word !== 0; word++)
    if ((mask & (1 << word)) !== 0 && WORDS[word]!.length === length) return word;
  return -1;
}
