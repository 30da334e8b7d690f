import type { ErrorKind } from '../../schema/index.js';
import { Histogram } from '../../stats/index.js';
import type { StallClock } from './stall-clock.js';
import { ERROR_PLACES, type RecordedWindow, type Tally } from './tally.js';
import { SELF_CHECK_LIMITS } from '../thresholds.js';
import type { Times } from './times.js';

/** No iteration that finds nothing takes this long by itself. */
const INTERRUPTED_NS = 10e3;

/** Counts requests whose intended time lies inside the window. Allocates nothing after construction. */
export class Recorder {
  /** Pending requests of the window. */
  inFlight = 0;
  /** System time of one poll that finds nothing, an integer. */
  pollNs = 0;
  readonly #times: Times;
  readonly #stalls: StallClock;
  readonly #tally: Tally;
  readonly #fromNs: number;
  readonly #untilNs: number;
  readonly #response: Histogram;
  readonly #service: Histogram;
  readonly #lateness: Histogram;
  readonly #schedulingDelay: Histogram;
  readonly #loopLag: Histogram;

  readonly #spans = new Float64Array(1);

  constructor(window: RecordedWindow, times: Times, stalls: StallClock, tally: Tally) {
    this.#times = times;
    this.#stalls = stalls;
    this.#tally = tally;
    this.#response = new Histogram(tally.response);
    this.#service = new Histogram(tally.service);
    this.#lateness = new Histogram(tally.lateness);
    this.#schedulingDelay = new Histogram(tally.schedulingDelay);
    this.#loopLag = new Histogram(tally.loopLag);
    this.#fromNs = window.fromNs;
    this.#untilNs = window.untilNs;
  }

  isOpen(): boolean {
    return this.#isInside(this.#times.now.ns);
  }

  #isInside(ns: number): boolean {
    return ns >= this.#fromNs && ns < this.#untilNs;
  }

  #counts(c: number): boolean {
    return this.#isInside(this.#times.intendedNs[c]!);
  }

  /** Records that the request of `c` is sent now. */
  sent(c: number): void {
    if (!this.#counts(c)) return;
    const intendedNs = this.#times.intendedNs[c]!;
    const freedNs = this.#times.freedNs[c]!;
    const nowNs = this.#times.now.ns;
    this.#tally.intended++;
    this.inFlight++;
    this.#spans[0] = nowNs - intendedNs;
    this.#lateness.recordFrom(this.#spans, 0);
    if (freedNs > intendedNs) this.#spans[0] = nowNs - freedNs;
    this.#schedulingDelay.recordFrom(this.#spans, 0);
    if (freedNs - intendedNs > SELF_CHECK_LIMITS.lateSendUs.value * 1000) this.#tally.lateSends++;
  }

  /** Records the expected response on `c`, received now. */
  answered(c: number): void {
    const nowNs = this.#times.now.ns;
    if (this.#isInside(nowNs)) this.#tally.receivedInWindow++;
    if (!this.#counts(c)) return;
    this.inFlight--;
    this.#tally.requests++;
    if (this.#stalls.isMostlyStalled(this.#times.intendedNs, c)) this.#tally.stalledRequests++;
    this.#spans[0] = nowNs - this.#times.intendedNs[c]!;
    this.#response.recordFrom(this.#spans, 0);
    this.#spans[0] = nowNs - this.#times.sentNs[c]!;
    this.#service.recordFrom(this.#spans, 0);
  }

  failed(c: number, kind: ErrorKind): void {
    if (!this.#counts(c)) return;
    this.inFlight--;
    this.#tally.errors[ERROR_PLACES[kind]]! += 1;
  }

  /** Records a request that failed unsent, because its connection could not be opened. */
  unopened(c: number): void {
    if (!this.#counts(c)) return;
    this.#tally.intended++;
    this.#tally.errors[ERROR_PLACES.connect]! += 1;
  }

  missed(c: number): void {
    if (!this.#counts(c)) return;
    this.#tally.intended++;
    this.#tally.missedSends++;
  }

  lost(): void {
    if (this.isOpen()) this.#tally.connectionsLost++;
  }

  /**
   * Records the end of an iteration `lagNs` (an integer) after it could have ended. An idle iteration found
   * nothing to do and did not sleep: it counts as busy-polled. One that took too long was interrupted, which
   * is lag and no CPU time.
   */
  recordIteration(lagNs: number, isIdle: boolean): void {
    if (!this.isOpen()) return;
    if (isIdle && lagNs <= INTERRUPTED_NS) {
      this.#tally.busyPolledNs += lagNs;
      this.#tally.busyPolledSystemNs += Math.min(this.pollNs, lagNs);
    } else this.#loopLag.record(lagNs);
  }
}
