import {
  LATENCY_KEYS,
  QUANTILES,
  type Estimate,
  type LatencyEstimates,
  type LatencyKey,
} from '../schema/index.js';
import type { Histogram } from './histogram.js';
import { orderRanks, samplesNeeded } from './order-ranks.js';
import { Samples } from './samples.js';

export const MS_PER_NS = 1e-6;

/** One figure for each key of the tables. */
export const eachKey = (figure: (key: LatencyKey) => Estimate): LatencyEstimates => {
  const figures: Partial<LatencyEstimates> = {};
  for (const key of LATENCY_KEYS) figures[key] = figure(key);
  return figures as LatencyEstimates;
};

/**
 * The latency figures of one run, in milliseconds, with exact order-statistic intervals. They take the samples for
 * independent, so they say how well this run is known, not how the next run will come out: that takes restarts.
 *
 * @param intended all requests of the window; those beyond the histogram's count have no answer, and are infinitely late
 */
export function latencyFigures(histogram: Histogram, intended: number): LatencyEstimates {
  const samples = Samples.of(histogram, intended);
  return eachKey((key) => (key === 'max' ? maxFigure(samples) : quantileFigure(samples, QUANTILES[key])));
}

/** The greatest sample. It has no interval: a longer run has a greater one. */
export function maxFigure(samples: Answers & Pick<Samples, 'maxNs'>): Estimate {
  if (samples.intended === 0) return { value: null, why: 'no samples' };
  if (samples.answered < samples.intended) return { value: null, why: amongUnanswered(samples) };
  return { value: samples.maxNs * MS_PER_NS, low: null, high: null };
}

function quantileFigure(samples: Samples, p: number): Estimate {
  const why = whyNot(samples, p);
  if (why !== null) return { value: null, why };
  const { low, value, high } = orderRanks(samples.intended, p);
  return {
    value: samples.atRank(value)!.highNs * MS_PER_NS,
    low: low === null ? null : samples.atRank(low)!.lowNs * MS_PER_NS,
    high: high === null ? null : samples.atRank(high)!.highNs * MS_PER_NS,
  };
}

/** How many requests there were, and how many of them have a latency. */
export type Answers = Pick<Samples, 'intended' | 'answered'>;

/** Why the samples cannot carry the quantile with a finite interval; null when they can. */
export function whyNot(samples: Answers, p: number): string | null {
  const needed = samplesNeeded(p);
  if (samples.intended < needed) return `needs ${needed} samples, has ${samples.intended}`;
  if (samples.answered === samples.intended) return null;
  const { high } = orderRanks(samples.intended, p);
  return high === null || high > samples.answered ? amongUnanswered(samples) : null;
}

export const amongUnanswered = ({ intended, answered }: Answers): string =>
  `lies among ${intended - answered} of ${intended} requests that got no answer`;
