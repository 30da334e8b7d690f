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

/**
 * Connections in the order in which they started to wait. All wait equally long, so the first is the first to
 * time out. Adding and removing take constant time, in memory of fixed size.
 */
export class Pending {
  /** The one that has waited longest; -1 for none. */
  first = -1;
  #last = -1;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;

  constructor(connections: number) {
    this.#next = new Int32Array(connections).fill(-1);
    this.#previous = new Int32Array(connections).fill(-1);
  }

  /** `c` must not be in it. */
  add(c: number): void {
    this.#previous[c] = this.#last;
    this.#next[c] = -1;
    if (this.#last === -1) this.first = c;
    else this.#next[this.#last] = c;
    this.#last = c;
  }

  /** `c` must be in it. */
  remove(c: number): void {
    const previous = this.#previous[c]!;
    const next = this.#next[c]!;
    if (previous === -1) this.first = next;
    else this.#next[previous] = next;
    if (next === -1) this.#last = previous;
    else this.#previous[next] = previous;
  }
}
