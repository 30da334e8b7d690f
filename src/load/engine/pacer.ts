import type { LoadPlan } from '../../schema/index.js';
import { ClosedPacer } from './closed-pacer.js';
import { ConstantPacer } from './constant-pacer.js';
import { PoissonPacer } from './poisson-pacer.js';
import type { Times } from './times.js';

/**
 * Who sends when. Pure: it reads the time that it is shown, is told which connections are free, and answers which one
 * sends now, with the intended time of the request in `times.intendedNs`. Nothing in it allocates.
 */
export interface Pacer {
  /** When `next` may name a connection though none was freed since; Infinity when never again. */
  readonly dueNs: number;
  /** Connection `c` may send. */
  free(c: number): void;
  /** Connection `c` may not send until it is freed again. */
  lose(c: number): void;
  /** The connection that is to send now, which is free no longer; -1 when there is none. */
  next(): number;
  /** Takes one request that is due and waits for connection `c`, which could not be opened; false when none does. */
  takeOwed(c: number): boolean;
  /** Whether requests that are due still wait to be sent. */
  hasBacklog(): boolean;
}

/** What an open loop's pacers are made from. */
export interface Pace extends Share {
  /** Between two requests of one connection. */
  readonly intervalNs: number;
  readonly seed: number;
  /** Nothing is intended at or after it. */
  readonly untilNs: number;
}

/** The part of a run's connections that one thread has: `first` is its first one's number among all. */
export interface Share {
  readonly first: number;
  readonly connections: number;
}

/** Splits without a remainder: the parts differ by one at most, and add up to `connections`. */
export const shareOf = (connections: number, threads: number, thread: number): Share => {
  const first = Math.floor((connections * thread) / threads);
  return { first, connections: Math.floor((connections * (thread + 1)) / threads) - first };
};

/** Every connection has the same rate, so that the threads' rates add up to the plan's exactly. */
export function pacerFor(plan: LoadPlan, share: Share, untilNs: number, times: Times): Pacer {
  if (plan.mode.kind === 'closed') return new ClosedPacer(share.connections, untilNs, times);
  const intervalNs = (plan.connections / plan.mode.rateRps) * 1e9;
  const Chosen = plan.mode.arrival === 'poisson' ? PoissonPacer : ConstantPacer;
  return new Chosen({ ...share, intervalNs, seed: plan.seed, untilNs }, times);
}
