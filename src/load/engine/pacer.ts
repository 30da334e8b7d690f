/**
 * Decides which connection sends when. Pure: it reads the time that it is given and the connections that are
 * free, and returns the one to send now, with the intended time of the request in `times.intendedNs`.
 * Allocates nothing.
 */
export interface Pacer {
  /** The time when `next` may return a connection although none was freed since; Infinity for never. */
  readonly dueNs: number;
  /** Marks `c` as free to send. */
  free(c: number): void;
  /** Marks `c` as unable to send until it is freed again. */
  block(c: number): void;
  /** Returns the connection that sends now and marks it as busy; -1 for none. */
  next(): number;
  /** Takes one due request that waits for `c`, which could not be opened; false when none does. */
  takeOwed(c: number): boolean;
  /** True while due requests wait to be sent. */
  hasBacklog(): boolean;
}

/** The input of an open loop's pacers. */
export interface Pace extends Share {
  /** Between two requests of one connection. */
  readonly intervalNs: number;
  readonly seed: number;
  /** No request is intended at or after it. */
  readonly untilNs: number;
}

/**
 * The share of a run's connections that one thread has. `first` is the number of its first connection among
 * all.
 */
export interface Share {
  readonly first: number;
  readonly connections: number;
}

/** Splits connections so that the shares differ by one at most and add up to `connections`. */
export const shareOf = (connections: number, threads: number, thread: number): Share => {
  const first = Math.floor((connections * thread) / threads);
  return { first, connections: Math.floor((connections * (thread + 1)) / threads) - first };
};
