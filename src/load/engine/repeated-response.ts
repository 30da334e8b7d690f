const MAX_BYTES = 16_384;

/**
 * The answer that came last, to know the next one by: when all bytes of the header are the same, so are its status and
 * its framing, and only the length has to be right. A server's Date changes once a second; then the parser is asked.
 */
export class RepeatedResponse {
  readonly #words: Int32Array;
  readonly #known = new Int32Array(MAX_BYTES / 4);
  #knownWords = 0;
  /** The bytes of the header in its last, incomplete word. */
  #tailMask = 0;
  /** Of header and body together; -1 when nothing is known. */
  #totalBytes = -1;

  /** `words` is the memory that answers are received into, each from its start. */
  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** Whether the `count` bytes just received are the known answer again, whole. Its body is not looked at. */
  matches(count: number): boolean {
    if (count !== this.#totalBytes) return false;
    const words = this.#words;
    const known = this.#known;
    const whole = this.#knownWords;
    for (let word = 0; word < whole; word++) if (words[word] !== known[word]) return false;
    return ((words[whole]! ^ known[whole]!) & this.#tailMask) === 0;
  }

  /** Remembers the answer just received, which was parsed as whole and as expected. */
  learn(headerBytes: number, totalBytes: number): void {
    this.#totalBytes = headerBytes < MAX_BYTES ? totalBytes : -1;
    this.#knownWords = headerBytes >> 2;
    this.#tailMask = (1 << ((headerBytes & 3) * 8)) - 1;
    for (let word = 0; word <= this.#knownWords && word < this.#known.length; word++)
      this.#known[word] = this.#words[word]!;
  }
}
