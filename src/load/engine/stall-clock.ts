import type { MonotonicClock } from '../../linux/index.js';
import type { RecordedWindow, Tally } from './tally.js';
import { SELF_CHECK_LIMITS } from '../thresholds.js';

const STALL_NS = SELF_CHECK_LIMITS.stallUs.value * 1000;
/** Small stalls follow a large one while the backlog is processed. */
const REMEMBERED = 16;

/**
 * The thread's clock, read after each of its operations. A long gap between two readings shows a stall:
 * another task, an interrupt or the hypervisor had the CPU. Allocates nothing.
 */
export class StallClock {
  readonly #clock: MonotonicClock;
  readonly #window: RecordedWindow;
  readonly #tally: Tally;
  /** Start and end of the last stalls, and the index of the newest. */
  readonly #beganNs = new Float64Array(REMEMBERED).fill(-Infinity);
  readonly #endedNs = new Float64Array(REMEMBERED).fill(-Infinity);
  #newest = 0;

  constructor(clock: MonotonicClock, window: RecordedWindow, tally: Tally) {
    this.#clock = clock;
    this.#window = window;
    this.#tally = tally;
  }

  /** Restarts the clock: readings count from what is `ns` now, and stalls from now on. */
  startAt(ns: number): void {
    this.#clock.read();
    this.#clock.zeroAt(ns);
    this.#endedNs.fill(-Infinity);
  }

  get ns(): number {
    return this.#clock.ns;
  }

  read(): void {
    this.#clock.read();
    if (this.#clock.gapNs > STALL_NS) this.#stalled(this.#clock.gapNs);
  }

  /** Reads after a sleep of up to `askedNs` that ended by itself. Only the excess is a stall. */
  readAfterSleep(askedNs: number): void {
    this.#clock.read();
    if (this.#clock.gapNs - askedNs > STALL_NS) this.#stalled(this.#clock.gapNs - askedNs);
  }

  /** Reads after a sleep that an event ended. When it should have ended is unknown. */
  readAfterEvent(): void {
    this.#clock.read();
  }

  /** Returns whether stalls make up half or more of the time from `times[c]` to now. */
  isMostlyStalled(times: Float64Array, c: number): boolean {
    const sinceNs = times[c]!;
    if (this.#endedNs[this.#newest]! <= sinceNs) return false;
    let stalledNs = 0;
    for (let stall = 0; stall < REMEMBERED; stall++)
      stalledNs += Math.max(this.#endedNs[stall]! - Math.max(this.#beganNs[stall]!, sinceNs), 0);
    return stalledNs * 2 >= this.#clock.ns - sinceNs;
  }

  #stalled(ns: number): void {
    const endNs = this.#clock.ns;
    this.#newest = (this.#newest + 1) % REMEMBERED;
    this.#beganNs[this.#newest] = endNs - ns;
    this.#endedNs[this.#newest] = endNs;
    if (endNs < this.#window.fromNs || endNs >= this.#window.untilNs) return;
    this.#tally.stalls++;
    this.#tally.stallNs += ns;
    this.#tally.maxStallNs = Math.max(this.#tally.maxStallNs, ns);
  }
}
