const MAX_BYTES = 16_384;

/**
 * Recognises a response that equals the last one: when all bytes of the header are the same, so are its
 * status and framing, and only the length must match. A server's Date changes once a second; then the parser
 * runs.
 */
export class RepeatedResponse {
  readonly #words: Int32Array;
  readonly #known = new Int32Array(MAX_BYTES / 4);
  #knownWords = 0;
  /** Mask of the header's bytes in its last, incomplete word. */
  #tailMask = 0;
  /** Header and body together; -1 when nothing is known. */
  #totalBytes = -1;

  /** `words` is the memory that responses are received into, each from its start. */
  constructor(words: Int32Array) {
    this.#words = words;
  }

  /**
   * Returns whether the `count` bytes just received are the known response, complete. The body is not
   * compared.
   */
  matches(count: number): boolean {
    if (count !== this.#totalBytes) return false;
    const words = this.#words;
    const known = this.#known;
    const whole = this.#knownWords;
    for (let word = 0; word < whole; word++) if (words[word] !== known[word]) return false;
    return ((words[whole]! ^ known[whole]!) & this.#tailMask) === 0;
  }

  /** Stores the response just received, which was parsed as complete and as expected. */
  learn(headerBytes: number, totalBytes: number): void {
    this.#totalBytes = headerBytes < MAX_BYTES ? totalBytes : -1;
    this.#knownWords = headerBytes >> 2;
    this.#tailMask = (1 << ((headerBytes & 3) * 8)) - 1;
    for (let word = 0; word <= this.#knownWords && word < this.#known.length; word++)
      this.#known[word] = this.#words[word]!;
  }
}
