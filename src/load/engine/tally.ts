import { ERROR_KINDS, type ErrorKind } from '../../schema/index.js';
import { Histogram } from '../../stats/index.js';

/** The index of each kind in the `errors` of a tally. */
export const ERROR_PLACES = Object.fromEntries(ERROR_KINDS.map((kind, place) => [kind, place])) as Record<
  ErrorKind,
  number
>;

/** The indices of a tally's `bytes`. */
export const BYTES = { sent: 0, received: 1, bodies: 2, shortestBody: 3, longestBody: 4 } as const;
/** Statuses have three digits, and Linux has no error number from 134 on. */
const STATUSES = 1000;
const ERRNOS = 256;

/** The recorded window, in nanoseconds of the run. */
export interface RecordedWindow {
  readonly fromNs: number;
  readonly untilNs: number;
}

/** The counts of one thread, as plain data for a message. Tallies of threads add up. */
export interface Tally {
  /** Responses as expected whose intended time is inside the window. */
  requests: number;
  /** Requests whose intended time is inside the window. Each ends as a request, an error or a missed send. */
  intended: number;
  /** Responses as expected that arrived inside the window, whatever their intended time. */
  receivedInWindow: number;
  missedSends: number;
  lateSends: number;
  connectionsLost: number;
  cpuUserS: number;
  cpuSystemS: number;
  /** CPU time of iterations that found nothing to do. */
  busyPolledNs: number;
  /** The system part of that time. */
  busyPolledSystemNs: number;
  /** Time during which the thread was runnable and another task had its CPU. */
  runDelayS: number;
  /** Number, total time and longest of the stalls: the thread did not run although it was not asleep. */
  stalls: number;
  stallNs: number;
  maxStallNs: number;
  /** Those of `requests` whose response time is a stall by half or more. */
  stalledRequests: number;
  /** errno of the last connection that could not be opened; 0 for none. */
  connectErrno: number;
  /** Connections opened in the whole load and in the window, and those that the server closed after a response. */
  opened: number;
  openedInWindow: number;
  closedAfterResponse: number;
  /** What was wrong with the first malformed response; empty for none. */
  malformed: string;
  readonly errors: Float64Array;
  /** Complete responses of the window, by status. */
  readonly statuses: Float64Array;
  /** Of the requests of the window, by `BYTES`. */
  readonly bytes: Float64Array;
  /** Failed connects of the whole load, by errno. */
  readonly connectErrnos: Float64Array;
  /** The counts of histograms, in nanoseconds. */
  readonly response: Float64Array;
  readonly service: Float64Array;
  readonly lateness: Float64Array;
  /** Of sends, from when the request was due and its connection free: the generator's own delay. */
  readonly schedulingDelay: Float64Array;
  readonly loopLag: Float64Array;
  /** Of connects, in the whole load. */
  readonly connect: Float64Array;
}

/** What other threads can read during a run. */
export type SharedTally = Pick<Tally, 'response' | 'errors'>;

/** `shares`: other threads can read the response times and errors during the run. */
export const newTally = (shares = false): Tally => ({
  requests: 0,
  intended: 0,
  receivedInWindow: 0,
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
  opened: 0,
  openedInWindow: 0,
  closedAfterResponse: 0,
  malformed: '',
  errors: shares ? shared(ERROR_KINDS.length) : new Float64Array(ERROR_KINDS.length),
  statuses: new Float64Array(STATUSES),
  bytes: Float64Array.of(0, 0, 0, Infinity, 0),
  connectErrnos: new Float64Array(ERRNOS),
  response: shares ? shared(new Histogram().counts.length) : new Histogram().counts,
  service: new Histogram().counts,
  lateness: new Histogram().counts,
  schedulingDelay: new Histogram().counts,
  loopLag: new Histogram().counts,
  connect: new Histogram().counts,
});

const shared = (length: number): Float64Array => new Float64Array(new SharedArrayBuffer(8 * length));
