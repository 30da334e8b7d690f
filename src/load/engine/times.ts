/** The last reading of a clock. */
export interface Now {
  readonly ns: number;
}

/**
 * The times of each connection's request, in nanoseconds of the run. They are in flat arrays, and functions
 * of the hot path pass each other connection numbers only: V8 boxes a fraction that crosses a call which it
 * does not inline, 16 bytes of garbage each.
 */
export class Times {
  /** When the request should have been sent. */
  readonly intendedNs: Float64Array;
  /** When it was sent. */
  readonly sentNs: Float64Array;
  /** When its connection became free for it. */
  readonly freedNs: Float64Array;
  readonly now: Now;

  constructor(connections: number, now: Now) {
    this.intendedNs = new Float64Array(connections);
    this.sentNs = new Float64Array(connections);
    this.freedNs = new Float64Array(connections);
    this.now = now;
  }
}
