import { Ring } from './queues.js';

// A listen backlog is 511 (nginx) or less, so connections open at a pace that a server on one busy core
// accepts.
const OPENS_EACH_MS = 16;
/** A delayed thread catches up, but not with a burst that would fill the backlog. */
const MAX_BURST = 128;
const MAX_OPENING = 256;
const BACK_OFF_NS = 100e6;

/**
 * Chooses which closed connection opens next, so that neither the start nor an outage causes a burst of
 * connects.
 */
export class Opener {
  readonly #soon: Ring;
  readonly #later: Ring;
  readonly #laterNs: Float64Array;
  #tickNs = 0;
  #left = OPENS_EACH_MS;

  constructor(connections: number) {
    this.#soon = new Ring(connections);
    this.#later = new Ring(connections);
    this.#laterNs = new Float64Array(connections);
  }

  /** Opens `c` as soon as the pace allows. */
  soon(c: number): void {
    this.#soon.push(c);
  }

  /** Opens the failed `c` after a delay. */
  later(c: number, nowNs: number): void {
    this.#laterNs[c] = nowNs + BACK_OFF_NS;
    this.#later.push(c);
  }

  /** True when a connection waits to open and no failure delays it. */
  get hasSoon(): boolean {
    return this.#soon.length > 0;
  }

  get isIdle(): boolean {
    return this.#soon.length === 0 && this.#later.length === 0;
  }

  /** Returns the connection to open now; -1 for none. `opening` is the number that is in progress. */
  next(nowNs: number, opening: number): number {
    this.#left = Math.min(this.#left + ((nowNs - this.#tickNs) / 1e6) * OPENS_EACH_MS, MAX_BURST);
    this.#tickNs = nowNs;
    if (this.#left < 1 || opening >= MAX_OPENING) return -1;
    const first = this.#later.peek();
    if (first >= 0 && this.#laterNs[first]! <= nowNs) return this.#chosen(this.#later.shift());
    return this.#soon.length > 0 ? this.#chosen(this.#soon.shift()) : -1;
  }

  zeroAt(ns: number): void {
    this.#tickNs -= ns;
    this.#laterNs.forEach((later, c, all) => (all[c] = later - ns));
  }

  #chosen(c: number): number {
    this.#left--;
    return c;
  }
}
