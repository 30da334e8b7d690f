import {
  LATENCY_KEYS,
  missing,
  QUANTILES,
  type Estimate,
  type Finding,
  type LatencyEstimates,
  type LatencyKey,
} from '../schema/index.js';
import type { Histogram } from './histogram.js';
import { orderRanks, samplesNeeded } from './order-ranks.js';
import { Samples } from './samples.js';

export const MS_PER_NS = 1e-6;

/** How many requests there were, and how many of them have a latency. */
export type ResponseCounts = Pick<Samples, 'intended' | 'answered'>;

/** Builds one estimate for each key of the tables. */
export const estimateEachKey = (estimate: (key: LatencyKey) => Estimate): LatencyEstimates =>
  Object.fromEntries(LATENCY_KEYS.map((key) => [key, estimate(key)])) as LatencyEstimates;

/**
 * Latencies of one run in milliseconds with exact order-statistic intervals. The intervals assume independent samples: they
 * bound this run's quantiles. How the next run will differ takes restarts.
 *
 * @param intended all requests of the window; those beyond the histogram's count have no response and count as infinitely late
 */
export function estimateLatencies(histogram: Histogram, intended: number): LatencyEstimates {
  const samples = Samples.from(histogram, intended);
  return estimateEachKey((key) => {
    if (key === 'max') return estimateMaximum(samples);
    const p = QUANTILES[key];
    const finding = findUnsupported(samples, p);
    if (finding !== null) return missing(finding);
    const { low, value, high } = orderRanks(samples.intended, p);
    return {
      value: samples.atRank(value)!.highNs * MS_PER_NS,
      low: low === null ? null : samples.atRank(low)!.lowNs * MS_PER_NS,
      high: high === null ? null : samples.atRank(high)!.highNs * MS_PER_NS,
    };
  });
}

/** The greatest sample. It has no interval: a longer run has a greater one. */
export function estimateMaximum(samples: ResponseCounts & Pick<Samples, 'maxNs'>): Estimate {
  if (samples.intended === 0) return missing({ code: 'no-samples' });
  if (samples.answered < samples.intended) return missing(noResponseFinding(samples));
  return { value: samples.maxNs * MS_PER_NS, low: null, high: null };
}

/** Why the samples do not support the quantile `p` with a finite interval; null when they do. */
export function findUnsupported(samples: ResponseCounts, p: number): Finding | null {
  const needed = samplesNeeded(p);
  if (samples.intended < needed) return { code: 'too-few-samples', needed, has: samples.intended };
  if (samples.answered === samples.intended) return null;
  const { high } = orderRanks(samples.intended, p);
  return high === null || high > samples.answered ? noResponseFinding(samples) : null;
}

export const noResponseFinding = ({ intended, answered }: ResponseCounts): Finding => ({
  code: 'unanswered',
  unanswered: intended - answered,
  intended,
});
