import type { Finding } from '../schema/index.js';
import { TAIL_SHARE } from './order-ranks.js';

/** One open-loop slice at a rate. */
export interface RateAttempt {
  readonly offeredRps: number;
  readonly achievedRps: number;
  /** The latency of the objective; null when it lies among requests without a response. */
  readonly latencyMs: number | null;
  /** False when the generator self-check failed. A rate where it always fails is an upper limit. */
  readonly valid: boolean;
}

export interface RateSearch {
  /** The closed-loop maximum, where the search starts. */
  readonly closedLoopRps: number;
  /** A rate is sustained when this share of it is achieved: 0.99. */
  readonly achievedShare?: number;
  /** If given, a sustained rate also keeps the latency within this. */
  readonly latencyLimitMs?: number | null;
  /** The relative width at which the interval is narrow enough: 0.05. */
  readonly precision?: number;
  readonly maxSlices?: number;
  /** The lowest rate that is tried; by default a twentieth of the closed-loop maximum. */
  readonly minRps?: number;
  /** Slices of cells: evidence, but not part of the search. */
  readonly known?: readonly RateAttempt[];
}

/** The highest rate that half of the slices sustain. `high` is null when the generator, not the network, is the limit. */
export interface MaxRate {
  readonly value: number;
  readonly low: number;
  readonly high: number | null;
}

export type RateStep =
  | { readonly kind: 'try'; readonly rateRps: number }
  | { readonly kind: 'found'; readonly max: MaxRate }
  | { readonly kind: 'none'; readonly finding: Finding };

/** The slices of one search. */
export const MAX_SLICES = 16;
const DEFAULTS = {
  achievedShare: 0.99,
  latencyLimitMs: null,
  precision: 0.05,
  maxSlices: MAX_SLICES,
  minRps: 0,
  known: [],
};
/** Fewer slices could agree by chance on a wrong rate. */
const MIN_SLICES = 5;
/** After this many overloaded slices and no sustained one, the lowest rate is tried. */
const OVERLOADED_BEFORE_LOWEST = 4;
/** After this many invalid slices at a rate the generator counts as unable to send it. */
const INVALID_LIMIT = 3;
/** Candidate spreads of the maximum between slices (standard deviation of its logarithm), equally likely a priori. */
const SPREADS = [0.003, 0.006, 0.0125, 0.025, 0.05, 0.1];
/** One slice in fifty fails far below the maximum for an unrelated reason. */
const LAPSE = 0.02;
/** When all slices were above the maximum, one at this share of the bound must show a sustained rate. */
const STEP_BACK = 0.97;
/** Up to this overload (of ln rate) the achieved rate is the maximum; beyond it, queued requests may lower it. */
const MILD_OVERLOAD = 0.15;
/** Grid of ln(maximum) around the closed-loop one: from a twentieth to four times, in steps of a quarter per cent. */
const [FROM, TO, STEP] = [Math.log(0.05), Math.log(4), 0.0025];
/** The posterior quantile to try: mild overload shows the maximum itself, a latency only on which side it lies. */
const [OVERLOAD_AT, LATENCY_AT] = [0.8, 0.5];

/**
 * The next rate to try, or the result, by Watson and Pelli's QUEST: each slice updates the posterior of the maximum, and the
 * next one is placed where either outcome is likely. Pure: the state is the history.
 */
export function nextRate(history: readonly RateAttempt[], search: RateSearch): RateStep {
  const options = optionsOf(search);
  const searched = history.filter(({ valid }) => valid);
  const valid = [...options.known.filter(({ valid }) => valid), ...searched];
  const best = Math.max(
    0,
    ...valid.filter((slice) => isSustained(slice, options)).map(({ offeredRps }) => offeredRps),
  );
  const spent = history.length >= options.maxSlices;
  const lowestFailed = valid.filter(({ offeredRps }) => offeredRps <= options.minRps).length > 1;
  if (best === 0 && (spent || lowestFailed))
    return { kind: 'none', finding: explainNone(valid, history.length) };
  const posterior = computePosterior(valid, options);
  const triesLowest =
    best === 0 && valid.length >= OVERLOADED_BEFORE_LOWEST && !isGeneratorLimit(history, options.minRps);
  const tried = Math.max(
    options.minRps,
    posterior(options.latencyLimitMs === null ? OVERLOAD_AT : LATENCY_AT),
  );
  const next = triesLowest ? options.minRps : Math.round(tried);
  // The lowest rate above all valid slices that the generator could not send.
  const most = Math.max(0, ...history.filter(({ valid }) => valid).map(({ offeredRps }) => offeredRps));
  const beyond = history.map(({ offeredRps }) => offeredRps).filter((rate) => rate > most);
  const ceiling = Math.min(Infinity, ...beyond.filter((rate) => isGeneratorLimit(history, rate)));
  if (next >= ceiling) return stepBelowCeiling(best, ceiling, spent, options);
  const max = toRange(posterior);
  const enough = searched.length >= MIN_SLICES && max.high / max.low <= 1 + options.precision;
  if (spent || (enough && best > 0)) return { kind: 'found', max };
  return { kind: 'try', rateRps: enough ? Math.round(max.low * STEP_BACK) : next };
}

const optionsOf = (search: RateSearch): Options => {
  const options = { ...DEFAULTS, ...search };
  const minRps = Math.ceil(Math.max(options.minRps, Math.exp(FROM) * options.closedLoopRps));
  return { ...options, minRps };
};

function explainNone(valid: readonly RateAttempt[], slices: number): Finding {
  if (valid.length === 0) return { code: 'search-slices-invalid', slices };
  const lowestRps = Math.round(Math.min(...valid.map(({ offeredRps }) => offeredRps)));
  return { code: 'no-rate-sustained', objective: null, lowestRps };
}

const isGeneratorLimit = (history: readonly RateAttempt[], rateRps: number): boolean =>
  history.filter(({ valid, offeredRps }) => !valid && offeredRps === rateRps).length >= INVALID_LIMIT;

const toRange = (posterior: Posterior): MaxRate & { readonly high: number } => ({
  value: posterior(0.5),
  low: posterior(TAIL_SHARE),
  high: posterior(1 - TAIL_SHARE),
});

/**
 * The maximum from slices of cells. Null unless some rate was sustained and the greatest was not in most of its slices:
 * otherwise the maximum lies anywhere above.
 */
export function boundMaximum(slices: readonly RateAttempt[], search: RateSearch): MaxRate | null {
  const options = optionsOf(search);
  const valid = slices.filter(({ valid }) => valid);
  const greatest = Math.max(...valid.map(({ offeredRps }) => offeredRps));
  const atGreatest = valid.filter(({ offeredRps }) => offeredRps === greatest);
  const countSustained = (some: readonly RateAttempt[]): number =>
    some.filter((slice) => isSustained(slice, options)).length;
  if (countSustained(valid) === 0 || countSustained(atGreatest) * 2 >= atGreatest.length) return null;
  return toRange(computePosterior(valid, options));
}

// Rates above the ceiling cannot be sent: approach it from below.
function stepBelowCeiling(best: number, ceiling: number, spent: boolean, { minRps }: Options): RateStep {
  if (best > 0 && (spent || best >= ceiling * 0.9))
    return { kind: 'found', max: { value: best, low: best, high: null } };
  const below = best > 0 ? Math.sqrt(best * ceiling) : ceiling * 0.8;
  return { kind: 'try', rateRps: Math.round(Math.max(minRps, below)) };
}

type Options = Required<RateSearch>;
/** The posterior of the maximum, as its quantile function. */
type Posterior = (share: number) => number;

const isSustained = ({ offeredRps, achievedRps, latencyMs }: RateAttempt, options: Options): boolean =>
  achievedRps >= options.achievedShare * offeredRps &&
  (options.latencyLimitMs === null || (latencyMs !== null && latencyMs <= options.latencyLimitMs));

function computePosterior(slices: readonly RateAttempt[], options: Options): Posterior {
  const centre = Math.log(options.closedLoopRps);
  const seen = slices.map((slice) => toOutcome(slice, options, centre));
  const logs = Array.from({ length: Math.round((TO - FROM) / STEP) + 1 }, (_, at) => FROM + at * STEP);
  // The prior is centred on the closed-loop maximum; Cauchy's tails let the slices overrule it soon.
  const weights = logs.map(
    (log) => sumOf(SPREADS.map((spread) => likelihood(seen, log, spread))) / (1 + (log / 0.1) ** 2),
  );
  const total = sumOf(weights);
  return (share) => {
    let sum = 0;
    const at = weights.findIndex((weight) => (sum += weight) >= share * total);
    return Math.exp(centre + logs[at]!);
  };
}

/** What a slice showed on the log scale: the maximum lies above or below its rate, or equals it. */
interface Outcome {
  readonly log: number;
  readonly shows: 'above' | 'below' | 'maximum';
  /** Uncertainty beyond the spread between slices. */
  readonly uncertainty: number;
}

function toOutcome(slice: RateAttempt, options: Options, centre: number): Outcome {
  const log = Math.log(slice.offeredRps) - centre;
  if (isSustained(slice, options)) return { log, shows: 'above', uncertainty: 0 };
  const overload = Math.log((options.achievedShare * slice.offeredRps) / slice.achievedRps);
  if (overload <= 0 || !Number.isFinite(overload)) return { log, shows: 'below', uncertainty: 0 };
  // The achieved rate bounds the maximum from above; a latency limit may set it lower.
  const shows = options.latencyLimitMs === null ? 'maximum' : 'below';
  return { log: log - overload, shows, uncertainty: Math.max(0, overload - MILD_OVERLOAD) / 2 };
}

const likelihood = (seen: readonly Outcome[], maximum: number, spread: number): number =>
  seen.reduce((product, { log, shows, uncertainty }) => {
    // Scaled so that its standard deviation is 1.
    const chance = 1 / (1 + Math.exp((-((maximum - log) / (spread + uncertainty)) * Math.PI) / Math.sqrt(3)));
    if (shows === 'above') return product * (1 - LAPSE) * chance;
    if (shows === 'below') return product * (1 - (1 - LAPSE) * chance);
    const density = (chance * (1 - chance)) / (spread + uncertainty);
    return product * ((1 - LAPSE) * density + LAPSE / (TO - FROM));
  }, 1);
const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
