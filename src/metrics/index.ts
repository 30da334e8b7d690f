/** System counters before, during and after a slice, and the cost per request that follows from them. */
export { busyShare, costs } from './costs.js';
export { type Sample, type Side } from './sample.js';
export { childrenOf, WindowSampler } from './sampler.js';
