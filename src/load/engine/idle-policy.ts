import type { Now } from './times.js';

/*
 * Sleep or spin. Asleep, a thread of a virtual machine wakes 25–60 µs after a timer or a packet; awake it sees both within
 * 1 µs. Measured on two cores over a veth pair to nginx, 64 connections (medians, interleaved):
 *
 *                      1,000/s        10,000/s       50,000/s
 *   sleeping   late     40 µs           26 µs          23 µs      response 166, 104, 91 µs    CPU 10, 46, 88 %
 *   spinning   late    0.1 µs          0.2 µs         0.4 µs      response  68,  37, 36 µs    CPU 98, 98, 98 %
 *
 * A sleeper more than doubles what it measures, and a closed loop that sleeps makes the server pay for its waking (172,000
 * instead of 186,000 requests/s). So a thread that has a CPU of its own spins while something is about to happen: an answer
 * is awaited, or a request is due soon. What it spins away is counted, to be taken off its CPU time.
 */

/** Before a due time: more than all but the rarest wake-ups take. */
const SPIN_AHEAD_NS = 100e3;
/** After the last send or receipt while answers are out. A slower server than this is measured well enough asleep. */
const SPIN_AFTER_NS = 1e6;

/** How long the loop may sleep; 0 is to look again at once. Numbers are whole nanoseconds. */
export class IdlePolicy {
  readonly #spins: boolean;
  readonly #now: Now;
  readonly #activeNs = new Float64Array(1);

  constructor(spins: boolean, now: Now) {
    this.#spins = spins;
    this.#now = now;
  }

  /** Something was sent or received now. */
  markActive(): void {
    this.#activeNs[0] = this.#now.ns;
  }

  /** `dueNs` and `choreNs` are how far off the next request and the next chore are. */
  sleepNs(dueNs: number, choreNs: number, awaitsAnswers: boolean): number {
    if (!this.#spins) return Math.min(dueNs, choreNs);
    if (dueNs <= SPIN_AHEAD_NS) return 0;
    if (awaitsAnswers && this.#now.ns - this.#activeNs[0]! < SPIN_AFTER_NS) return 0;
    return Math.min(dueNs - SPIN_AHEAD_NS, choreNs);
  }
}
