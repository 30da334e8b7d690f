/** Quantiles with intervals, comparison in blocks, verdicts: pure, and without chance. */
export { HIGHEST_NS, Histogram, type HistogramCell } from './histogram.js';
export type { TrialData } from './cells.js';
export { compareStudies, type StudyData } from './compare.js';
export { asksMaximum, openSearches } from './maximum-search.js';
export { evidenceOf, type Evidence } from './rate-evidence.js';
export {
  MOST_TRIALS,
  nextRate,
  type MaxRate,
  type RateSearch,
  type RateStep,
  type RateTrial,
} from './rate-search.js';
export { REFERENCE } from './reference-ratios.js';
export { summarize, type SummaryOptions } from './summarize.js';
export { latencyFigures } from './within.js';
export { withPathLengths } from './path-lengths.js';
