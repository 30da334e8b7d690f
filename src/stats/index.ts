/** Quantiles with intervals, comparison in restarts, verdicts: pure, and without chance. */
export { HIGHEST_NS, Histogram, type HistogramCell } from './histogram.js';
export type { SliceData } from './cells.js';
export { compareStudies, type StudyData } from './compare.js';
export { asksMaximum, openSearches } from './maximum-search.js';
export { evidenceOf, type Evidence } from './rate-evidence.js';
export {
  MOST_SLICES,
  nextRate,
  type MaxRate,
  type RateSearch,
  type RateStep,
  type RateAttempt,
} from './rate-search.js';
export { REFERENCE } from './reference-ratios.js';
export { summarize, type SummaryOptions } from './summarize.js';
export { latencyFigures } from './within.js';
export { withPathLengths } from './path-lengths.js';
