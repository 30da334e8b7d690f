/** What one window at a rate shows of the capacity that is left. Shares are 0 to 1. */
export interface RateReading {
  readonly rateRps: number;
  /** Of the client's and of the server's CPUs, beyond what was busy before the load. */
  readonly busyShares: readonly number[];
  /** Of one CPU: the busiest thread of the generator, and each worker of the server on average. */
  readonly threadShares: readonly number[];
  /** Of the slowest link; 0 where its speed is not known. */
  readonly linkShare: number;
}

/** The first window is at this rate, which any machine carries. */
export const FIRST_RATE_RPS = 1_000;
/** A window shows the maximum well enough from this share of it. */
const ENOUGH_SHARE = 0.2;
/** The next window is at most at this share of what the last one predicts. */
const NEXT_SHARE = 0.3;
const MOST_GROWTH = 5;
/** Windows until the estimate stands. */
export const MOST_READINGS = 8;
/** Never more than this share of CPU or link, whatever was predicted. */
const HALF = 0.5;

/** The rate at which the busiest resource would be fully used, if its use grows in proportion. */
export function predictMaximum({ rateRps, busyShares, threadShares, linkShare }: RateReading): number {
  const most = Math.max(...busyShares, ...threadShares, linkShare, 1e-4);
  return Math.round(rateRps / most);
}

/** The rate of the next window; null when the last one showed enough. */
export function raiseRate(reading: RateReading): number | null {
  const predicted = predictMaximum(reading);
  if (reading.rateRps >= ENOUGH_SHARE * predicted || isHalfUsed(reading)) return null;
  return Math.round(Math.min(reading.rateRps * MOST_GROWTH, NEXT_SHARE * predicted));
}

const isHalfUsed = ({ busyShares, threadShares, linkShare }: RateReading): boolean =>
  Math.max(...busyShares, ...threadShares, linkShare) >= HALF;
