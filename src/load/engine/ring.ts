/** A queue of connections in memory of fixed size. Each is in it once at most. */
export class Ring {
  readonly #items: Int32Array;
  readonly #within: Uint8Array;
  #head = 0;
  length = 0;

  constructor(connections: number) {
    this.#items = new Int32Array(connections);
    this.#within = new Uint8Array(connections);
  }

  /** Does nothing when `c` is in it. */
  push(c: number): void {
    if (this.#within[c] === 1) return;
    this.#within[c] = 1;
    let at = this.#head + this.length++;
    if (at >= this.#items.length) at -= this.#items.length;
    this.#items[at] = c;
  }

  /** Removes and returns the oldest. The ring must not be empty. */
  shift(): number {
    const c = this.#items[this.#head]!;
    this.#head = this.#head + 1 === this.#items.length ? 0 : this.#head + 1;
    this.length--;
    this.#within[c] = 0;
    return c;
  }

  /** Returns the oldest without removing it; -1 for none. */
  peek(): number {
    return this.length === 0 ? -1 : this.#items[this.#head]!;
  }
}
