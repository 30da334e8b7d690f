import type { LoadPlan } from '../schema/index.js';
import { ClosedPacer } from './closed-pacer.js';
import { ConstantPacer } from './constant-pacer.js';
import { PoissonPacer } from './poisson-pacer.js';

/**
 * Who sends when. Pure: it is told the time and which connections are free, and answers which one sends now and when
 * the request was intended. Times are nanoseconds since the start of the run. Nothing in it allocates.
 */
export interface Pacer {
  /** When `next` may name a connection though none was freed since; Infinity when never again. */
  readonly dueNs: number;
  /** Of the request that `next` or `takeOwed` named last. */
  readonly intendedNs: number;
  /** Connection `c` may send. */
  free(c: number): void;
  /** Connection `c` may not send until it is freed again. */
  lose(c: number): void;
  /** The connection that is to send at `nowNs`, which is free no longer; -1 when there is none. */
  next(nowNs: number): number;
  /** Takes one request that is due and waits for connection `c`, which could not be opened; false when none does. */
  takeOwed(c: number, nowNs: number): boolean;
  /** Whether requests that are due still wait to be sent. */
  backlog(nowNs: number): boolean;
}

/** The part of a run's connections that one thread has. */
export interface Share {
  readonly first: number;
  readonly connections: number;
}

/** Splits without a remainder: the parts differ by one at most, and add up to `connections`. */
export const shareOf = (connections: number, threads: number, thread: number): Share => {
  const first = Math.floor((connections * thread) / threads);
  return { first, connections: Math.floor((connections * (thread + 1)) / threads) - first };
};

/** A rate is split by connections, so that the threads' rates add up to it exactly. Nothing is intended after `untilNs`. */
export function pacerFor(plan: LoadPlan, share: Share, untilNs: number): Pacer {
  if (plan.mode.kind === 'closed') return new ClosedPacer(share.connections, untilNs);
  const intervalNs = (plan.connections / plan.mode.rateRps) * 1e9;
  const Chosen = plan.mode.arrival === 'poisson' ? PoissonPacer : ConstantPacer;
  return new Chosen({ ...share, intervalNs, seed: plan.seed, untilNs });
}
