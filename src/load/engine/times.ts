/** A clock as it was read last. */
export interface Now {
  readonly ns: number;
}

/**
 * The times of each connection's request, in nanoseconds of the run. They live in flat arrays, and functions of the hot
 * path pass each other connection numbers only: a fraction that crosses a call which V8 does not inline is boxed, 16 bytes
 * of garbage each time.
 */
export class Times {
  /** When the request should have left. */
  readonly intendedNs: Float64Array;
  /** When it left. */
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
