import { ERROR_KINDS, type ErrorKind } from '../../schema/index.js';
import { Histogram } from '../../stats/index.js';

/** The place of each kind in a tally's `errors`. */
export const ERROR_PLACES = Object.fromEntries(ERROR_KINDS.map((kind, place) => [kind, place])) as Record<
  ErrorKind,
  number
>;

/** What one thread counted: plain data that a message carries, and that adds up over the threads. */
export interface Tally {
  /** Answered as expected, intended inside the window. */
  requests: number;
  /** Intended inside the window: each ends as a request, as an error or as a missed send. */
  intended: number;
  /** Answered as expected inside the window, whenever intended. */
  answeredInWindow: number;
  missedSends: number;
  lateSends: number;
  connectionsLost: number;
  cpuUserS: number;
  cpuSystemS: number;
  /** CPU time of turns that found nothing to do. */
  busyPolledNs: number;
  /** The kernel's part of that. */
  busyPolledSystemNs: number;
  /** How long the thread was ready to run and another task had its CPU. */
  runDelayS: number;
  /** Times that the thread stood still though it was not asleep: how many, how long together, the longest. */
  stalls: number;
  stallNs: number;
  maxStallNs: number;
  /** Of `requests`, those whose response time is a stall by half or more. */
  stalledRequests: number;
  /** errno of the last connection that could not be opened; 0 when all could. */
  connectErrno: number;
  readonly errors: Float64Array;
  /** The counts of histograms, in nanoseconds. */
  readonly response: Float64Array;
  readonly service: Float64Array;
  readonly lateness: Float64Array;
  /** Of the sends, from when the request was due and its connection free: the generator's own doing. */
  readonly schedulingDelay: Float64Array;
  readonly loopLag: Float64Array;
}

/** `shares`: other threads can read the response times while they are recorded. */
export const newTally = (shares = false): Tally => ({
  requests: 0,
  intended: 0,
  answeredInWindow: 0,
  missedSends: 0,
  lateSends: 0,
  connectionsLost: 0,
  cpuUserS: 0,
  cpuSystemS: 0,
  busyPolledNs: 0,
  busyPolledSystemNs: 0,
  runDelayS: 0,
  stalls: 0,
  stallNs: 0,
  maxStallNs: 0,
  stalledRequests: 0,
  connectErrno: 0,
  errors: new Float64Array(ERROR_KINDS.length),
  response: shares ? sharedCounts() : new Histogram().counts,
  service: new Histogram().counts,
  lateness: new Histogram().counts,
  schedulingDelay: new Histogram().counts,
  loopLag: new Histogram().counts,
});

function sharedCounts(): Float64Array {
  const { byteLength } = new Histogram().counts;
  return new Float64Array(new SharedArrayBuffer(byteLength));
}
