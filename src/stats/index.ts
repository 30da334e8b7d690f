/** Quantiles with intervals, comparison within rounds, verdicts: pure and deterministic. */
export { listReferenceMoving } from './isolation.js';
export { Histogram } from './histogram.js';
export { offerOf, type SliceData } from './cells.js';
export { compareStudies, type StudyData } from './compare.js';
export { openSearches, searchSliceMs, toEvidence, wantsMaximum, type RateEvidence } from './maximum.js';
export { MAX_SLICES, nextRate, type RateAttempt, type RateSearch } from './rate-search.js';
export { isPrecise } from './precision.js';
export { listSliceFigures } from './slice-figures.js';
export { addInstructions, summarize } from './summarize.js';
export { estimateLatencies } from './quantile-estimates.js';
