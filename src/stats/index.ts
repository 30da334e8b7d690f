export { HIGHEST_NS, Histogram, type HistogramCell } from './histogram.js';
