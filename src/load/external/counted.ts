import { Histogram } from '../../stats/index.js';

/** Equal latencies: the upper end of the interval that the tool reports, and their number. */
export interface Counted {
  readonly ns: number;
  readonly count: number;
}

export function histogramOf(all: Iterable<Counted>): Histogram {
  const histogram = new Histogram();
  for (const { ns, count } of all) for (let one = 0; one < count; one++) histogram.record(ns);
  return histogram;
}

/** A latency, and the cumulative number of samples that do not exceed it. */
export interface HistogramStep {
  readonly ns: number;
  readonly upTo: number;
}

/** Samples between two steps lie between their latencies and count as the upper one. */
export function histogramOfSteps(steps: readonly HistogramStep[]): Histogram {
  return histogramOf(steps.map(({ ns, upTo }, at) => ({ ns, count: upTo - (steps[at - 1]?.upTo ?? 0) })));
}
