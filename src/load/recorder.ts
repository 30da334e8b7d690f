import type { ErrorKind } from '../schema/index.js';
import { Histogram } from '../stats/index.js';
import { ERROR_PLACES, newTally, type Tally } from './tally.js';
import { LATE_SEND_US } from './thresholds.js';

/** The recorded window, in nanoseconds of the run. */
export interface Window {
  readonly fromNs: number;
  readonly untilNs: number;
}

/** Counts what is intended inside the window, and nothing else. Allocates nothing once it is made. */
export class Recorder {
  readonly tally: Tally = newTally();
  /** Requests of the window that are on their way. */
  inFlight = 0;
  readonly #fromNs: number;
  readonly #untilNs: number;
  readonly #response = new Histogram(this.tally.response);
  readonly #service = new Histogram(this.tally.service);
  readonly #lateness = new Histogram(this.tally.lateness);
  readonly #ownLateness = new Histogram(this.tally.ownLateness);
  readonly #loopLag = new Histogram(this.tally.loopLag);

  constructor(window: Window) {
    this.#fromNs = window.fromNs;
    this.#untilNs = window.untilNs;
  }

  counts(ns: number): boolean {
    return ns >= this.#fromNs && ns < this.#untilNs;
  }

  /** `freedNs` is when its connection became free. */
  sent(intendedNs: number, freedNs: number, nowNs: number): void {
    if (!this.counts(intendedNs)) return;
    this.tally.intended++;
    this.inFlight++;
    this.#lateness.record(nowNs - intendedNs);
    this.#ownLateness.record(nowNs - Math.max(intendedNs, freedNs));
    if (freedNs - intendedNs > LATE_SEND_US * 1000) this.tally.lateSends++;
  }

  answered(intendedNs: number, sentNs: number, nowNs: number): void {
    if (this.counts(nowNs)) this.tally.answeredInWindow++;
    if (!this.counts(intendedNs)) return;
    this.inFlight--;
    this.tally.requests++;
    this.#response.record(nowNs - intendedNs);
    this.#service.record(nowNs - sentNs);
  }

  failed(intendedNs: number, kind: ErrorKind): void {
    if (!this.counts(intendedNs)) return;
    this.inFlight--;
    this.tally.errors[ERROR_PLACES[kind]]! += 1;
  }

  /** Failed without having been sent: its connection could not be opened. */
  unopened(intendedNs: number): void {
    if (!this.counts(intendedNs)) return;
    this.tally.intended++;
    this.tally.errors[ERROR_PLACES.connect]! += 1;
  }

  missed(intendedNs: number): void {
    if (!this.counts(intendedNs)) return;
    this.tally.intended++;
    this.tally.missedSends++;
  }

  lost(nowNs: number): void {
    if (this.counts(nowNs)) this.tally.connectionsLost++;
  }

  turned(lagNs: number, nowNs: number): void {
    if (this.counts(nowNs)) this.#loopLag.record(lagNs);
  }
}
