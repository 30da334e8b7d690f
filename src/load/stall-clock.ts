import type { MonotonicClock } from '../linux/index.js';
import type { Window } from './recorder.js';
import type { Tally } from './tally.js';
import { STALL_US } from './thresholds.js';

const STALL_NS = STALL_US * 1000;

/**
 * The thread's clock, read after everything that it does, so that a gap between two readings shows when the thread stood
 * still: taken off its CPU by another task, an interrupt or the hypervisor. Allocates nothing.
 */
export class StallClock {
  readonly #clock: MonotonicClock;
  readonly #window: Window;
  readonly #tally: Tally;
  /** When the last stall ended. */
  readonly #endNs = Float64Array.of(-Infinity);

  constructor(clock: MonotonicClock, window: Window, tally: Tally) {
    this.#clock = clock;
    this.#window = window;
    this.#tally = tally;
  }

  /** From now on readings count from what is `ns` now, and stalls are those from now on. */
  startAt(ns: number): void {
    this.#clock.read();
    this.#clock.zeroAt(ns);
    this.#endNs[0] = -Infinity;
  }

  get ns(): number {
    return this.#clock.ns;
  }

  read(): void {
    this.#clock.read();
    if (this.#clock.gapNs > STALL_NS) this.#stalled(this.#clock.gapNs);
  }

  /** Reads after a sleep of up to `askedNs` that ended by itself: only what it took longer is a stall. */
  readAfterSleep(askedNs: number): void {
    this.#clock.read();
    if (this.#clock.gapNs - askedNs > STALL_NS) this.#stalled(this.#clock.gapNs - askedNs);
  }

  /** Reads after a sleep that an event ended: when that should have been nobody knows. */
  readAfterEvent(): void {
    this.#clock.read();
  }

  /**
   * Whether a stall fell on the time from `sinceNs` to now. The last one is the one to ask: no other ended later.
   */
  hasStalledSince(times: Float64Array, c: number): boolean {
    return this.#endNs[0]! > times[c]!;
  }

  #stalled(ns: number): void {
    const endNs = this.#clock.ns;
    this.#endNs[0] = endNs;
    if (endNs < this.#window.fromNs || endNs >= this.#window.untilNs) return;
    this.#tally.stalls++;
    this.#tally.stallNs += ns;
    this.#tally.maxStallNs = Math.max(this.#tally.maxStallNs, ns);
  }
}
