import type { Pace, Pacer } from './pacer.js';
import { RandomStream } from './random.js';
import type { Times } from './times.js';

/**
 * Poisson arrival: one stream of exponential gaps per thread; each request goes to a random free connection.
 * When none is free, requests queue in the order of their intended times, and the next freed connection takes
 * the oldest. The queue needs no memory: the stream stays at its oldest request until that is sent. (The sum
 * of the threads' streams is again a Poisson stream, with the sum of their rates.)
 */
export class PoissonPacer implements Pacer {
  readonly #times: Times;
  readonly #random: RandomStream;
  readonly #meanGapNs: number;
  readonly #untilNs: number;
  /** The free connections in no order, and each connection's position there (-1 when it is busy). */
  readonly #free: Int32Array;
  readonly #place: Int32Array;
  #freeCount = 0;
  /** The intended time of the oldest request, from which the stream continues. */
  readonly #oldestNs = new Float64Array(1);

  constructor(pace: Pace, times: Times) {
    this.#times = times;
    this.#random = new RandomStream(pace.seed, pace.first);
    this.#meanGapNs = pace.intervalNs / pace.connections;
    this.#untilNs = pace.untilNs;
    this.#free = new Int32Array(pace.connections);
    this.#place = new Int32Array(pace.connections).fill(-1);
    this.#advance();
  }

  get dueNs(): number {
    return this.#oldestNs[0]!;
  }

  free(c: number): void {
    if (this.#place[c] !== -1) return;
    this.#place[c] = this.#freeCount;
    this.#free[this.#freeCount++] = c;
  }

  block(c: number): void {
    const place = this.#place[c]!;
    if (place === -1) return;
    const last = this.#free[--this.#freeCount]!;
    this.#free[place] = last;
    this.#place[last] = place;
    this.#place[c] = -1;
  }

  next(): number {
    if (this.dueNs > this.#times.now.ns || this.#freeCount === 0) return -1;
    const c = this.#free[this.#random.nextBelow(this.#freeCount)]!;
    this.block(c);
    this.#take(c);
    return c;
  }

  /** Any connection can take it: a request fails with a connection only when no other is free. */
  takeOwed(c: number): boolean {
    if (this.dueNs > this.#times.now.ns || this.#freeCount > 0) return false;
    this.#take(c);
    return true;
  }

  hasBacklog(): boolean {
    return this.dueNs <= this.#times.now.ns;
  }

  #take(c: number): void {
    this.#times.intendedNs[c] = this.#oldestNs[0]!;
    this.#advance();
  }

  #advance(): void {
    // 53 random bits, as integers until here (see Times).
    const high = this.#random.next32() >>> 5;
    const low = this.#random.next32() >>> 6;
    this.#oldestNs[0]! -= Math.log(1 - (high * 2 ** 26 + low) / 2 ** 53) * this.#meanGapNs;
    if (this.#oldestNs[0]! >= this.#untilNs) this.#oldestNs[0] = Infinity;
  }
}
