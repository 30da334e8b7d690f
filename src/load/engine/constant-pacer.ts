import type { Pace, Pacer } from './pacer.js';
import { RandomStream } from './random.js';
import { Ring } from './queues.js';
import type { Times } from './times.js';

/**
 * Constant arrival: each connection has its own schedule with the same interval and a random phase. The order
 * of due times is then one cycle over the sorted phases, so finding the next costs the same for any number of
 * connections. A connection that is busy when its request is due owes it, and sends when it is free.
 */
export class ConstantPacer implements Pacer {
  readonly #dueNs = new Float64Array(1);
  readonly #times: Times;
  /** Connections by phase, their phases, and each connection's position in that order. */
  readonly #order: Int32Array;
  readonly #phaseNs: Float64Array;
  readonly #place: Int32Array;
  readonly #intervalNs: number;
  readonly #untilNs: number;
  /** The next due request: its position in the order, and the cycle. */
  #cursor = 0;
  #round = 0;
  readonly #taken: Float64Array;
  readonly #isFree: Uint8Array;
  /** Free connections that owe requests. */
  readonly #owing: Ring;
  #passedInAll = 0;
  #takenInAll = 0;

  constructor(pace: Pace, times: Times) {
    this.#times = times;
    this.#intervalNs = pace.intervalNs;
    this.#untilNs = pace.untilNs;
    // The phase depends on the seed and the connection's number only, not on the number of threads.
    const phases = Float64Array.from(
      { length: pace.connections },
      (_, c) => new RandomStream(pace.seed, pace.first + c).next() * pace.intervalNs,
    );
    this.#order = Int32Array.from(phases.keys()).sort((a, b) => phases[a]! - phases[b]!);
    this.#phaseNs = phases;
    this.#place = new Int32Array(pace.connections);
    this.#order.forEach((c, place) => (this.#place[c] = place));
    this.#taken = new Float64Array(pace.connections);
    this.#isFree = new Uint8Array(pace.connections);
    this.#owing = new Ring(pace.connections);
    this.#setDue();
  }

  get dueNs(): number {
    return this.#dueNs[0]!;
  }

  free(c: number): void {
    this.#isFree[c] = 1;
    if (this.#owes(c)) this.#owing.push(c);
  }

  block(c: number): void {
    this.#isFree[c] = 0;
  }

  next(): number {
    while (this.#owing.length > 0) {
      const c = this.#owing.shift();
      if (this.#isFree[c] === 1) return this.#take(c);
    }
    while (this.dueNs <= this.#times.now.ns) {
      const c = this.#pass();
      if (this.#isFree[c] === 1) return this.#take(c);
    }
    return -1;
  }

  takeOwed(c: number): boolean {
    this.#passDue();
    if (!this.#owes(c)) return false;
    this.#take(c);
    return true;
  }

  hasBacklog(): boolean {
    this.#passDue();
    return this.#takenInAll < this.#passedInAll;
  }

  /** Passes due times of connections that are busy, which then owe the requests. `next` serves them first. */
  #passDue(): void {
    while (this.dueNs <= this.#times.now.ns) {
      const c = this.#pass();
      if (this.#isFree[c] === 1) this.#owing.push(c);
    }
  }

  #take(c: number): number {
    this.#isFree[c] = 0;
    this.#times.intendedNs[c] = this.#phaseNs[c]! + this.#taken[c]! * this.#intervalNs;
    this.#taken[c]! += 1;
    this.#takenInAll++;
    return c;
  }

  #owes(c: number): boolean {
    const passed = this.#round + (this.#place[c]! < this.#cursor ? 1 : 0);
    return this.#taken[c]! < passed;
  }

  /** Advances the cursor by one due time and returns its connection. */
  #pass(): number {
    const c = this.#order[this.#cursor]!;
    this.#passedInAll++;
    this.#cursor++;
    if (this.#cursor === this.#order.length) {
      this.#cursor = 0;
      this.#round++;
    }
    this.#setDue();
    return c;
  }

  #setDue(): void {
    this.#dueNs[0] = this.#phaseNs[this.#order[this.#cursor]!]! + this.#round * this.#intervalNs;
    // A separate statement, because V8 boxes the value of a combined expression (see Times).
    if (this.#dueNs[0] >= this.#untilNs) this.#dueNs[0] = Infinity;
  }
}
