import { TAIL_SHARE } from './order-ranks.js';

/** One open-loop slice of the search. */
export interface RateAttempt {
  readonly offeredRps: number;
  readonly achievedRps: number;
  /** The latency that the objective is about; null when it has none because requests got no answer. */
  readonly latencyMs: number | null;
  /** False when the generator does not vouch for it: it says nothing of the network. A rate where it never does ends the way up. */
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
  readonly mostSlices?: number;
  /** No lower rate is tried: a twentieth of the closed-loop maximum. */
  readonly leastRps?: number;
  /** Slices that were made for something else: evidence like the others, but no part of the search. */
  readonly known?: readonly RateAttempt[];
}

/** The highest rate that holds in half of the slices. `high` is null when the generator, not the network, is the limit. */
export interface MaxRate {
  readonly value: number;
  readonly low: number;
  readonly high: number | null;
}

export type RateStep =
  | { readonly kind: 'try'; readonly rateRps: number }
  | { readonly kind: 'found'; readonly max: MaxRate }
  | { readonly kind: 'none'; readonly why: string };

/** Of one network and workload. */
export const MOST_SLICES = 16;
const DEFAULTS = {
  achievedShare: 0.99,
  latencyLimitMs: null,
  precision: 0.05,
  mostSlices: MOST_SLICES,
  leastRps: 0,
  known: [],
};
/** Fewer slices could agree by luck on a rate that is far off. */
const LEAST_SLICES = 5;
/** So many slices that failed, and none that held, and the least rate is asked whether there is any hope. */
const HOPES = 4;
/** So many slices of a rate that the generator does not vouch for, and it cannot make it; fewer are bad luck. */
const REFUSALS = 3;
/** How much slices differ in what they can carry, as standard deviations of its logarithm: equally likely beforehand. */
const SPREADS = [0.003, 0.006, 0.0125, 0.025, 0.05, 0.1];
/** One slice in fifty fails far below the maximum, for a reason that has nothing to do with it. */
const LAPSE = 0.02;
/** Where all slices so far were beyond the maximum, one must show that a rate just below it holds. */
const STEP_BACK = 0.97;
/** With no more overload than this (of ln rate) a slice answers as fast as it can; beyond, piled-up requests may cost it. */
const MILD_OVERLOAD = 0.15;
/** Grid of ln(maximum) around the closed-loop one: from a twentieth to four times, in steps of a quarter per cent. */
const [FROM, TO, STEP] = [Math.log(0.05), Math.log(4), 0.0025];
/** Where in what is believed of the maximum to try: a little overload shows the maximum itself, a latency only which side. */
const [OVERLOAD_AT, LATENCY_AT] = [0.8, 0.5];

/**
 * The next rate to try, or the answer: what the slices so far say of the maximum (Watson and Pelli's QUEST). Each slice that
 * holds or fails makes some maxima less likely; the next one goes where it can be either. Pure: the state is the history.
 */
export function nextRate(history: readonly RateAttempt[], search: RateSearch): RateStep {
  const options = optionsOf(search);
  const searched = history.filter(({ valid }) => valid);
  const vouched = [...options.known.filter(({ valid }) => valid), ...searched];
  const best = bestOf(vouched, options);
  const spent = history.length >= options.mostSlices;
  if (best === 0 && (spent || isHopeless(vouched, options)))
    return { kind: 'none', why: whyNone(vouched, history.length) };
  const belief = maxima(vouched, options);
  const asksForHope = best === 0 && vouched.length >= HOPES && !isRefused(history, options.leastRps);
  const next = asksForHope ? options.leastRps : Math.round(aim(belief, options));
  const ceiling = ceilingOf(history);
  if (next >= ceiling) return underCeiling(best, ceiling, spent, options);
  const max = rangeOf(belief);
  const enough = searched.length >= LEAST_SLICES && max.high / max.low <= 1 + options.precision;
  if (spent || (enough && best > 0)) return { kind: 'found', max };
  return { kind: 'try', rateRps: enough ? Math.round(max.low * STEP_BACK) : next };
}

const optionsOf = (search: RateSearch): Options => {
  const options = { ...DEFAULTS, ...search };
  const leastRps = Math.ceil(Math.max(options.leastRps, Math.exp(FROM) * options.closedLoopRps));
  return { ...options, leastRps };
};

/** The highest rate that held; 0 when none did. */
const bestOf = (slices: readonly RateAttempt[], options: Options): number =>
  Math.max(0, ...slices.filter((slice) => holds(slice, options)).map(({ offeredRps }) => offeredRps));

/** Once could be a lapse. */
const isHopeless = (slices: readonly RateAttempt[], { leastRps }: Options): boolean =>
  slices.filter(({ offeredRps }) => offeredRps <= leastRps).length > 1;

function whyNone(vouched: readonly RateAttempt[], tries: number): string {
  if (vouched.length === 0) return `the load generator vouches for none of ${tries} slices`;
  const lowest = Math.min(...vouched.map(({ offeredRps }) => offeredRps));
  return `no rate held, down to ${Math.round(lowest)} requests/s`;
}

function aim(belief: Belief, { latencyLimitMs, leastRps }: Options): number {
  return Math.max(leastRps, belief(latencyLimitMs === null ? OVERLOAD_AT : LATENCY_AT));
}

const isRefused = (history: readonly RateAttempt[], rateRps: number): boolean =>
  history.filter(({ valid, offeredRps }) => !valid && offeredRps === rateRps).length >= REFUSALS;

/** The lowest rate beyond all that the generator vouched for which it refused too often for luck. */
function ceilingOf(history: readonly RateAttempt[]): number {
  const most = Math.max(0, ...history.filter(({ valid }) => valid).map(({ offeredRps }) => offeredRps));
  const beyond = history.map(({ offeredRps }) => offeredRps).filter((rate) => rate > most);
  return Math.min(Infinity, ...beyond.filter((rate) => isRefused(history, rate)));
}

const rangeOf = (belief: Belief): MaxRate & { readonly high: number } => ({
  value: belief(0.5),
  low: belief(TAIL_SHARE),
  high: belief(1 - TAIL_SHARE),
});

/**
 * What slices that were not made to search say of the maximum. Null unless a rate held, and the greatest did not in most of
 * its slices: else the maximum lies anywhere beyond.
 */
export function maximumOf(slices: readonly RateAttempt[], search: RateSearch): MaxRate | null {
  const options = optionsOf(search);
  const vouched = slices.filter(({ valid }) => valid);
  const greatest = Math.max(...vouched.map(({ offeredRps }) => offeredRps));
  const atGreatest = vouched.filter(({ offeredRps }) => offeredRps === greatest);
  const held = (some: readonly RateAttempt[]): number => some.filter((slice) => holds(slice, options)).length;
  if (held(vouched) === 0 || held(atGreatest) * 2 >= atGreatest.length) return null;
  return rangeOf(maxima(vouched, options));
}

// Above the ceiling nothing can be known: close in on it from below.
function underCeiling(best: number, ceiling: number, spent: boolean, { leastRps }: Options): RateStep {
  if (best > 0 && (spent || best >= ceiling * 0.9))
    return { kind: 'found', max: { value: best, low: best, high: null } };
  const below = best > 0 ? Math.sqrt(best * ceiling) : ceiling * 0.8;
  return { kind: 'try', rateRps: Math.round(Math.max(leastRps, below)) };
}

type Options = Required<RateSearch>;
/** What to believe of the maximum, as its quantile function. */
type Belief = (share: number) => number;

const holds = ({ offeredRps, achievedRps, latencyMs }: RateAttempt, options: Options): boolean =>
  achievedRps >= options.achievedShare * offeredRps &&
  (options.latencyLimitMs === null || (latencyMs !== null && latencyMs <= options.latencyLimitMs));

function maxima(slices: readonly RateAttempt[], options: Options): Belief {
  const centre = Math.log(options.closedLoopRps);
  const seen = slices.map((slice) => outcomeOf(slice, options, centre));
  const logs = Array.from({ length: Math.round((TO - FROM) / STEP) + 1 }, (_, at) => FROM + at * STEP);
  // The closed-loop maximum is a good guess, and only a guess: Cauchy's tails let the slices overrule it soon.
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

/** What a slice showed, on the log scale: that the maximum is above or below its rate, or what it was that time. */
interface Outcome {
  readonly log: number;
  readonly shows: 'above' | 'below' | 'maximum';
  /** How much less sure it is than what slices differ by. */
  readonly doubt: number;
}

function outcomeOf(slice: RateAttempt, options: Options, centre: number): Outcome {
  const log = Math.log(slice.offeredRps) - centre;
  if (holds(slice, options)) return { log, shows: 'above', doubt: 0 };
  const overload = Math.log((options.achievedShare * slice.offeredRps) / slice.achievedRps);
  if (overload <= 0 || !Number.isFinite(overload)) return { log, shows: 'below', doubt: 0 };
  // What it carried bounds the maximum, which a latency may set lower.
  const shows = options.latencyLimitMs === null ? 'maximum' : 'below';
  return { log: log - overload, shows, doubt: Math.max(0, overload - MILD_OVERLOAD) / 2 };
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
