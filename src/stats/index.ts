/** Quantiles with intervals, comparison within restarts, verdicts: pure and deterministic. */
export { HIGHEST_NS, Histogram, type HistogramCell } from './histogram.js';
export type { SliceData } from './cells.js';
export { compareStudies, type StudyData } from './compare.js';
export { openSearches, toEvidence, wantsMaximum, type RateEvidence } from './maximum.js';
export { MAX_SLICES, nextRate, type RateAttempt, type RateSearch } from './rate-search.js';
export { REFERENCE } from './reference-ratios.js';
export { addInstructions, summarize, type SummaryOptions } from './summarize.js';
export { estimateLatencies } from './quantile-estimates.js';
