import { Histogram } from '../../stats/index.js';

/** Equal latencies: the upper end of what the tool says they lie in, and how many they are. */
export interface Counted {
  readonly ns: number;
  readonly count: number;
}

export function histogramOf(all: Iterable<Counted>): Histogram {
  const histogram = new Histogram();
  for (const { ns, count } of all) for (let one = 0; one < count; one++) histogram.record(ns);
  return histogram;
}

/** A latency that a number of samples, cumulatively, did not exceed. */
export interface HistogramStep {
  readonly ns: number;
  readonly upTo: number;
}

/** Samples between two steps lie between their latencies, and count as the upper one. */
export function histogramOfSteps(steps: readonly HistogramStep[]): Histogram {
  return histogramOf(steps.map(({ ns, upTo }, at) => ({ ns, count: upTo - (steps[at - 1]?.upTo ?? 0) })));
}
