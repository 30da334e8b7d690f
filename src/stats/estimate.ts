import { QUANTILES, type Estimate, type LatencyKey } from '../schema/index.js';
import { quantileRank, TAIL_SHARE } from './order-ranks.js';
import { Samples } from './samples.js';
import {
  restartsOf,
  carried,
  commonRestarts,
  inRestarts,
  partsOf,
  sectionsOf,
  type Carried,
  type Series,
} from './series.js';
import { studentQuantile } from './student.js';

// A histogram tells two values apart when they differ by 0.1 %: restarts that agree to the cell may still be that far
// apart, and their spread is not taken for less.
const RESOLUTION = 0.0005;

/**
 * What the restarts say of a latency or a ratio, on the natural-log scale: the mean over sections of restarts. A section is
 * one restart wherever a slice carries the figure by itself (see `carried`).
 */
export interface LogEstimate {
  readonly log: number;
  /** Standard error of `log`; null where a single section cannot tell. */
  readonly error: number | null;
  /** Student's degrees of freedom of `error`. */
  readonly df: number;
  readonly restarts: number;
  /** Each section's own. */
  readonly logs: readonly number[];
}

export type LogEstimateOrReason = LogEstimate | { readonly why: string };

/** ln of a latency in ns. */
export function latencyEstimate(series: Series, key: LatencyKey): LogEstimateOrReason {
  const carry = carried(series, key);
  return 'why' in carry ? carry : overSections([series], restartsOf(series), carry, key);
}

/** ln of the ratio of two latencies that were measured in the same restarts. */
export function ratioEstimate(above: Series, below: Series, key: LatencyKey): LogEstimateOrReason {
  const restarts = commonRestarts(above, below);
  if (restarts.length === 0) return { why: 'no restart has a valid slice of both' };
  const pair = [inRestarts(above, restarts), inRestarts(below, restarts)];
  const [a, b] = [carried(pair[0]!, key), carried(pair[1]!, key)];
  if ('why' in a) return a;
  if ('why' in b) return { why: `in the reference: ${b.why}` };
  const carry = { sections: Math.min(a.sections, b.sections), alone: a.alone && b.alone };
  return overSections(pair, restarts, carry, key);
}

/** The mean of logs, with the error that their spread shows. */
export function meanLogEstimate(logs: readonly number[], restarts: number): LogEstimate {
  const log = logs.reduce((sum, value) => sum + value, 0) / logs.length;
  const squares = logs.reduce((sum, value) => sum + (value - log) ** 2, 0);
  const spread = Math.max(RESOLUTION, Math.sqrt(squares / (logs.length - 1)));
  const error = logs.length < 2 ? null : spread / Math.sqrt(logs.length);
  return { log, error, df: logs.length - 1, restarts, logs };
}

/** The difference of two means from restarts that have nothing in common (Welch). */
export function welchDifference(above: LogEstimate, below: LogEstimate): LogEstimate {
  const [a, b] = [(above.error ?? NaN) ** 2, (below.error ?? NaN) ** 2];
  const error = Math.sqrt(a + b);
  const known = Number.isFinite(error);
  return {
    log: above.log - below.log,
    error: known ? error : null,
    df: known ? (a + b) ** 2 / (a ** 2 / above.df + b ** 2 / below.df) : 0,
    restarts: Math.min(above.restarts, below.restarts),
    logs: [],
  };
}

function overSections(
  series: readonly Series[],
  restarts: readonly number[],
  { sections, alone }: Exclude<Carried, { why: string }>,
  key: LatencyKey,
): LogEstimateOrReason {
  const logs = sectionsOf(restarts, sections).map((some) =>
    series
      .map((one) => partsOf(inRestarts(one, some)))
      .map((parts) => (alone ? meanLog(parts, key) : pooledLog(Samples.pool(parts), key)))
      .reduce((above, below) => above - below),
  );
  // The pool carries it, but a section that holds most of the requests without an answer does not.
  if (!logs.every(Number.isFinite)) return { why: 'lies in some restarts among requests that got no answer' };
  return meanLogEstimate(logs, restarts.length);
}

const meanLog = (parts: readonly Samples[], key: LatencyKey): number =>
  parts.reduce((sum, part) => sum + Math.log(valueNs(part, key)), 0) / parts.length;

const valueNs = (samples: Samples, key: LatencyKey): number =>
  key === 'max' ? samples.maxNs : nsAt(samples, quantileRank(samples.intended, QUANTILES[key]));

// With one or two samples beyond it, rank ⌈p·n⌉ lies too far in. Half way between the ranks around p·n + 1/2 (Hazen's)
// is right in the mean for a tail that falls as a power, and its logs have the same spread as a greater pool would.
function pooledLog(samples: Samples, key: LatencyKey): number {
  if (key === 'max') return Math.log(samples.maxNs);
  const rank = Math.min(samples.intended, samples.intended * QUANTILES[key] + 0.5);
  const [low, high] = [Math.floor(rank), Math.ceil(rank)];
  const [from, to] = [Math.log(nsAt(samples, low)), Math.log(nsAt(samples, high))];
  return from + (rank - low) * (to - from);
}

const nsAt = (samples: Samples, rank: number): number => samples.atRank(rank)?.highNs ?? Infinity;

/** The estimate as a figure, with the ends between which the truth lies in 95 of 100 cases; none from one restart. */
export function toEstimate(estimated: LogEstimateOrReason, unit: number): Estimate {
  if ('why' in estimated) return { value: null, why: estimated.why };
  const half = halfWidth(estimated);
  const at = (log: number): number => Math.exp(log) * unit;
  if (half === null) return { value: at(estimated.log), low: null, high: null };
  return { value: at(estimated.log), low: at(estimated.log - half), high: at(estimated.log + half) };
}

export const halfWidth = ({ error, df }: LogEstimate): number | null =>
  error === null ? null : studentQuantile(TAIL_SHARE, df) * error;
