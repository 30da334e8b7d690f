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
