import type { Pace } from './pace.js';
import type { Pacer } from './pacer.js';
import { RandomStream } from './random.js';

/**
 * Poisson arrival: one stream of exponential gaps for the thread, each request dealt to a free connection at random. When
 * none is free, requests queue in the order of their intended times and the next freed connection takes the oldest. The
 * queue needs no memory: the stream stands at its oldest request until that is sent. (The sum of the threads' streams is
 * again a Poisson stream, of the sum of their rates.)
 */
export class PoissonPacer implements Pacer {
  dueNs: number;
  intendedNs = 0;
  readonly #random: RandomStream;
  readonly #meanGapNs: number;
  readonly #untilNs: number;
  /** The free connections, in no order, and each connection's place there (-1 when it is not free). */
  readonly #free: Int32Array;
  readonly #place: Int32Array;
  #freeCount = 0;
  #oldestNs: number;

  constructor(pace: Pace) {
    this.#random = new RandomStream(pace.seed, pace.first);
    this.#meanGapNs = pace.intervalNs / pace.connections;
    this.#untilNs = pace.untilNs;
    this.#free = new Int32Array(pace.connections);
    this.#place = new Int32Array(pace.connections).fill(-1);
    this.#oldestNs = this.#gap();
    this.dueNs = this.#oldestNs < this.#untilNs ? this.#oldestNs : Infinity;
  }

  free(c: number): void {
    if (this.#place[c] !== -1) return;
    this.#place[c] = this.#freeCount;
    this.#free[this.#freeCount++] = c;
  }

  lose(c: number): void {
    const place = this.#place[c]!;
    if (place === -1) return;
    const last = this.#free[--this.#freeCount]!;
    this.#free[place] = last;
    this.#place[last] = place;
    this.#place[c] = -1;
  }

  next(nowNs: number): number {
    if (this.dueNs > nowNs || this.#freeCount === 0) return -1;
    const c = this.#free[this.#random.nextBelow(this.#freeCount)]!;
    this.lose(c);
    this.#take();
    return c;
  }

  /** Any connection would do: a request fails with one only when no other is free. */
  takeOwed(_c: number, nowNs: number): boolean {
    if (this.dueNs > nowNs || this.#freeCount > 0) return false;
    this.#take();
    return true;
  }

  backlog(nowNs: number): boolean {
    return this.dueNs <= nowNs;
  }

  #take(): void {
    this.intendedNs = this.#oldestNs;
    this.#oldestNs += this.#gap();
    this.dueNs = this.#oldestNs < this.#untilNs ? this.#oldestNs : Infinity;
  }

  #gap(): number {
    return -Math.log(1 - this.#random.next()) * this.#meanGapNs;
  }
}
