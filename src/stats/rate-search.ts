import { TAIL_SHARE } from './order-ranks.js';

/** One open-loop trial of the search. */
export interface RateTrial {
  readonly offeredRps: number;
  readonly achievedRps: number;
  /** The latency that the objective is about; null when it has none because requests got no answer. */
  readonly latencyMs: number | null;
  /** False when the generator itself could not keep up: it says nothing about the network, and ends the way up. */
  readonly valid: boolean;
}

export interface RateSearch {
  /** Where to look first: the closed-loop maximum. */
  readonly closedLoopRps: number;
  /** A rate holds when this share of it is achieved: 0.99. */
  readonly achievedShare?: number;
  /** … and, where given, the latency stays within this. */
  readonly latencyLimitMs?: number | null;
  /** The interval is narrow enough when its ends are this share apart: 0.05. */
  readonly precision?: number;
  readonly mostTrials?: number;
}

/** The highest rate that holds in half of the trials. `high` is null when the generator, not the network, is the limit. */
export interface MaxRate {
  readonly value: number;
  readonly low: number;
  readonly high: number | null;
}

export type RateStep =
  | { readonly kind: 'try'; readonly rateRps: number }
  | { readonly kind: 'found'; readonly max: MaxRate }
  | { readonly kind: 'none'; readonly why: string };

const DEFAULTS = { achievedShare: 0.99, latencyLimitMs: null, precision: 0.05, mostTrials: 16 };
/** Fewer trials could agree by luck on a rate that is far off. */
const LEAST_TRIALS = 5;
/** How much trials differ in what they can carry, as standard deviations of its logarithm: equally likely beforehand. */
const SPREADS = [0.003, 0.006, 0.0125, 0.025, 0.05, 0.1];
/** One trial in fifty fails far below the maximum, for a reason that has nothing to do with it. */
const LAPSE = 0.02;
/** Where all trials so far were beyond the maximum, one must show that a rate just below it holds. */
const STEP_BACK = 0.97;
/** With no more overload than this (of ln rate) a trial answers as fast as it can; beyond, piled-up requests may cost it. */
const MILD_OVERLOAD = 0.15;
/** Grid of ln(maximum) around the closed-loop one: from a twentieth to four times, in steps of a quarter per cent. */
const [FROM, TO, STEP] = [Math.log(0.05), Math.log(4), 0.0025];
/** Where in what is believed of the maximum to try: a little overload shows the maximum itself, a latency only which side. */
const [OVERLOAD_AT, LATENCY_AT] = [0.8, 0.5];

/**
 * The next rate to try, or the answer: what the trials so far say of the maximum (Watson and Pelli's QUEST). Each trial that
 * holds or fails makes some maxima less likely; the next one goes where it can be either. Pure: the state is the history.
 */
export function nextRate(history: readonly RateTrial[], search: RateSearch): RateStep {
  const options = { ...DEFAULTS, ...search };
  const vouched = history.filter(({ valid }) => valid);
  const belief = maxima(vouched, options);
  const [low, value, high] = [TAIL_SHARE, 0.5, 1 - TAIL_SHARE].map((share) => belief(share)) as [
    number,
    number,
    number,
  ];
  const passed = vouched.filter((trial) => holds(trial, options)).map(({ offeredRps }) => offeredRps);
  const best = Math.max(0, ...passed);
  const ceiling = Math.min(
    Infinity,
    ...history.filter(({ valid }) => !valid).map(({ offeredRps }) => offeredRps),
  );
  const spent = history.length >= options.mostTrials;
  if (spent && best === 0) return { kind: 'none', why: `none of ${history.length} rates held` };
  const next = Math.round(belief(options.latencyLimitMs === null ? OVERLOAD_AT : LATENCY_AT));
  if (next >= ceiling) return underCeiling(best, ceiling, spent);
  const enough = vouched.length >= LEAST_TRIALS && high / low <= 1 + options.precision;
  if (spent || (enough && best > 0)) return { kind: 'found', max: { value, low, high } };
  return { kind: 'try', rateRps: enough ? Math.round(low * STEP_BACK) : next };
}

/**
 * What trials that were not made to search say of the maximum. Null unless a rate held, and the greatest did not in most of
 * its trials: else the maximum lies anywhere beyond.
 */
export function maximumOf(trials: readonly RateTrial[], search: RateSearch): MaxRate | null {
  const options = { ...DEFAULTS, ...search };
  const vouched = trials.filter(({ valid }) => valid);
  const greatest = Math.max(...vouched.map(({ offeredRps }) => offeredRps));
  const atGreatest = vouched.filter(({ offeredRps }) => offeredRps === greatest);
  const held = (some: readonly RateTrial[]): number => some.filter((trial) => holds(trial, options)).length;
  if (held(vouched) === 0 || held(atGreatest) * 2 >= atGreatest.length) return null;
  const belief = maxima(vouched, options);
  return { value: belief(0.5), low: belief(TAIL_SHARE), high: belief(1 - TAIL_SHARE) };
}

// Above the ceiling nothing can be known: close in on it from below.
function underCeiling(best: number, ceiling: number, spent: boolean): RateStep {
  if (best > 0 && (spent || best >= ceiling * 0.9))
    return { kind: 'found', max: { value: best, low: best, high: null } };
  return { kind: 'try', rateRps: Math.round(best > 0 ? Math.sqrt(best * ceiling) : ceiling * 0.8) };
}

type Options = Required<RateSearch>;

const holds = ({ offeredRps, achievedRps, latencyMs }: RateTrial, options: Options): boolean =>
  achievedRps >= options.achievedShare * offeredRps &&
  (options.latencyLimitMs === null || (latencyMs !== null && latencyMs <= options.latencyLimitMs));

/** What to believe of the maximum after the trials, as its quantile function. */
function maxima(trials: readonly RateTrial[], options: Options): (share: number) => number {
  const centre = Math.log(options.closedLoopRps);
  const seen = trials.map((trial) => outcomeOf(trial, options, centre));
  const logs = Array.from({ length: Math.round((TO - FROM) / STEP) + 1 }, (_, at) => FROM + at * STEP);
  // The closed-loop maximum is a good guess, and only a guess: Cauchy's tails let the trials overrule it soon.
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

/** What a trial showed, on the log scale: that the maximum is above or below its rate, or what it was that time. */
interface Outcome {
  readonly log: number;
  readonly shows: 'above' | 'below' | 'maximum';
  /** How much less sure it is than what trials differ by. */
  readonly doubt: number;
}

function outcomeOf(trial: RateTrial, options: Options, centre: number): Outcome {
  const log = Math.log(trial.offeredRps) - centre;
  if (holds(trial, options)) return { log, shows: 'above', doubt: 0 };
  const overload = Math.log((options.achievedShare * trial.offeredRps) / trial.achievedRps);
  if (overload <= 0 || !Number.isFinite(overload)) return { log, shows: 'below', doubt: 0 };
  return { log: log - overload, shows: 'maximum', doubt: Math.max(0, overload - MILD_OVERLOAD) / 2 };
}

const likelihood = (seen: readonly Outcome[], maximum: number, spread: number): number =>
  seen.reduce((product, { log, shows, doubt }) => {
    const chance = logistic((maximum - log) / (spread + doubt));
    if (shows === 'above') return product * (1 - LAPSE) * chance;
    if (shows === 'below') return product * (1 - (1 - LAPSE) * chance);
    const density = (chance * (1 - chance)) / (spread + doubt);
    return product * ((1 - LAPSE) * density + LAPSE / (TO - FROM));
  }, 1);

/** Scaled so that its standard deviation is 1. */
const logistic = (z: number): number => 1 / (1 + Math.exp((-z * Math.PI) / Math.sqrt(3)));
const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
