import type { ErrorKind } from '../../schema/index.js';
import { Histogram } from '../../stats/index.js';
import type { StallClock } from './stall-clock.js';
import { BYTES, ERROR_PLACES, type RecordedWindow, type Tally } from './tally.js';
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
  readonly #connect: Histogram;
  readonly #bytes: Float64Array;

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
    this.#connect = new Histogram(tally.connect);
    this.#bytes = tally.bytes;
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

  /** Records that `c` has opened, `openedNs` having the start of its connect. */
  opened(c: number, openedNs: Float64Array): void {
    this.#tally.opened++;
    if (this.isOpen()) this.#tally.openedInWindow++;
    this.#spans[0] = this.#times.now.ns - openedNs[c]!;
    this.#connect.recordFrom(this.#spans, 0);
  }

  openFailed(errno: number): void {
    this.#tally.connectErrno = errno;
    this.#tally.connectErrnos[errno]! += 1;
  }

  /** Records that the request of `c`, of `bytes` bytes, is sent now. */
  sent(c: number, bytes: number): void {
    if (!this.#counts(c)) return;
    this.#bytes[BYTES.sent]! += bytes;
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

  /** Records `bytes` bytes of a response on `c`. */
  received(c: number, bytes: number): void {
    if (this.#counts(c)) this.#bytes[BYTES.received]! += bytes;
  }

  /** Records a complete response on `c`, expected or not. Call it before `answered` or `failed`. */
  responded(c: number, status: number, bodyBytes: number): void {
    if (!this.#counts(c)) return;
    this.#tally.statuses[status]! += 1;
    this.#bytes[BYTES.bodies]! += bodyBytes;
    if (bodyBytes < this.#bytes[BYTES.shortestBody]!) this.#bytes[BYTES.shortestBody] = bodyBytes;
    if (bodyBytes > this.#bytes[BYTES.longestBody]!) this.#bytes[BYTES.longestBody] = bodyBytes;
  }

  /** True until a malformed response was described. */
  get wantsFault(): boolean {
    return this.#tally.malformed === '';
  }

  keepFault(text: string): void {
    this.#tally.malformed = text;
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

  /** Records that the server closed a connection after a response. */
  closedAfterResponse(): void {
    if (this.isOpen()) this.#tally.closedAfterResponse++;
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
