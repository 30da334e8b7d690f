/** What an open loop's pacers are made from. */
export interface Pace {
  /** The first of the thread's connections among all of the run: seeds differ by it. */
  readonly first: number;
  readonly connections: number;
  /** Between two requests of one connection. */
  readonly intervalNs: number;
  readonly seed: number;
  /** Nothing is intended at or after it. */
  readonly untilNs: number;
}
