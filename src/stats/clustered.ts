import { tQuantile } from './distributions.js';
import { TAIL_SHARE } from './order-ranks.js';

/** A value on the natural-log scale, from one round of a restart. */
export interface RoundLog {
  readonly restart: number;
  readonly round: number;
  readonly log: number;
}

/** A latency or a ratio on the natural-log scale, from rounds in restarts. */
export interface LogEstimate {
  readonly log: number;
  /** Standard error of `log`; null for a single round. */
  readonly error: number | null;
  /** Student's degrees of freedom of `error`. */
  readonly df: number;
  readonly restarts: number;
  /** The value of each round. */
  readonly logs: readonly RoundLog[];
}

/** A histogram resolves 0.1 %: rounds that agree to the cell may still differ by that, so their spread is at least this. */
const RESOLUTION = 0.0005;
/** With fewer rounds their spread is not known well enough to tell an outlier. */
const LEAST_ROBUST = 8;
/** Huber's constant, in standard deviations: 96 % efficient for normal values. */
const HUBER = 1.5;
/** The standard deviation of normal values over their median absolute deviation. */
const SD_PER_MAD = 1.4826;

/**
 * The location of clustered values. The p99 of a slice has two modes, with and without a stall: the estimate is one step of
 * Huber's M-estimator (Huber 1964) from the Hodges–Lehmann estimate, which a fifth of outliers on one side moves little; with few
 * rounds the mean. Its variance is that of the estimator's influence values, as an analysis of variance by restart has it: the mean
 * square between restarts where it exceeds the one within them, with the degrees of freedom of the restarts; otherwise that of
 * all rounds. So the data choose the degrees of freedom, and rounds that agree across restarts count each.
 */
export function estimateClustered(values: readonly RoundLog[]): LogEstimate {
  const { log, count, restarts, between, within, all } = analyseVariance(values);
  const base = { log, restarts, logs: values };
  if (count < 2) return { ...base, error: null, df: 0 };
  const pooled = { square: all, df: count - 1 };
  const clustered = between === null ? pooled : { square: between, df: restarts - 1 };
  const { square, df } = clustered.square > (within ?? 0) ? clustered : pooled;
  return { ...base, error: Math.max(RESOLUTION, Math.sqrt(square)) / Math.sqrt(count), df };
}

/** Half the width of the 95 % interval; null for a single round. */
export const halfWidth = ({ error, df }: LogEstimate): number | null =>
  error === null ? null : tQuantile(TAIL_SHARE, df) * error;

/** The spread of rounds within a restart, and of restarts beyond it, as standard deviations. */
export function splitVariance(values: readonly RoundLog[]): {
  readonly betweenRounds: number | null;
  readonly betweenRestarts: number | null;
} {
  const { count, restarts, between, within } = analyseVariance(values);
  const component = between === null ? null : ((between - (within ?? 0)) * restarts) / count;
  return {
    betweenRounds: within === null ? null : Math.sqrt(within),
    betweenRestarts: component === null ? null : Math.sqrt(Math.max(0, component)),
  };
}

/** The location of values and their mean squares: between restarts, within them, and of all; null where there are too few. */
function analyseVariance(values: readonly RoundLog[]) {
  const { log, influence } = values.length < LEAST_ROBUST ? mean(values) : huber(values);
  const groups = new Map<number, number[]>();
  values.forEach(({ restart }, index) =>
    groups.set(restart, [...(groups.get(restart) ?? []), influence[index]!]),
  );
  const [count, restarts] = [values.length, groups.size];
  const between = sumOf([...groups.values()].map((own) => sumOf(own) ** 2 / own.length));
  const all = sumOf(influence.map((value) => value ** 2));
  return {
    log,
    count,
    restarts,
    between: restarts < 2 ? null : between / (restarts - 1),
    within: count === restarts ? null : (all - between) / (count - restarts),
    all: all / (count - 1),
  };
}

interface Location {
  readonly log: number;
  /** How far each value moves the estimate, times their number. Their sum is 0. */
  readonly influence: readonly number[];
}

function mean(values: readonly RoundLog[]): Location {
  const log = sumOf(values.map((value) => value.log)) / values.length;
  return { log, influence: values.map((value) => value.log - log) };
}

function huber(values: readonly RoundLog[]): Location {
  const logs = values.map(({ log }) => log);
  const start = hodgesLehmann(logs);
  const scale = Math.max(RESOLUTION, SD_PER_MAD * median(logs.map((log) => Math.abs(log - start))));
  const psi = logs.map((log) => Math.max(-HUBER, Math.min(HUBER, (log - start) / scale)));
  const inside = psi.filter((value) => Math.abs(value) < HUBER).length / psi.length;
  const average = sumOf(psi) / psi.length;
  return {
    log: start + (scale * average) / inside,
    influence: psi.map((value) => (scale * (value - average)) / inside),
  };
}

/** The median of the means of all pairs of values (Hodges and Lehmann 1963). */
function hodgesLehmann(values: readonly number[]): number {
  const means: number[] = [];
  for (const [index, one] of values.entries())
    for (let other = index; other < values.length; other++) means.push((one + values[other]!) / 2);
  return median(means);
}

export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
