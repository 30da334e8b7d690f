import {
  type PlannedSlice,
  type Rate,
  type ResolvedStudy,
  type WorkloadName,
  bug,
  type NetworkStatus,
} from '../schema/index.js';
import { externalSliceMs } from '../load/index.js';
import { findTestbedKind } from '../testbed/index.js';
import { groupNetworks, type Group } from './groups.js';

/** The reference's maximum by workload, requests per second. */
export type ReferenceMaxima = Readonly<Partial<Record<WorkloadName, number | null>>>;

/** A slice before the reference's maximum is known: a share of it is not a number yet. */
export interface DrawnSlice extends Omit<PlannedSlice, 'rateRps' | 'rateOfMax'> {
  readonly workload: WorkloadName;
  readonly rate: Rate;
}

/** A group with its slices in the order to run them. */
export interface DrawnGroup extends Group {
  readonly slices: readonly DrawnSlice[];
}

/**
 * Draws all slices of a study: in each restart the groups in random order, in each group its rounds, and in each round every cell
 * once in random order, the reference twice. The same study gives the same slices, so that a resume finds its position.
 */
export function drawRestarts(study: ResolvedStudy): readonly (readonly DrawnGroup[])[] {
  const random = seeded(study.seed);
  const rates = listRates(study);
  return numbered(study.restarts).map((restart) =>
    shuffled(groupNetworks(study, study.networks, restart), random).map(({ group, stations }) => ({
      group,
      stations,
      slices: numbered(study.rounds).flatMap((each) => {
        const cells = stations.flatMap((station) => rates.map((rate) => ({ ...station, ...rate })));
        const round = (group - 1) * study.rounds + each;
        return shuffled(cells, random).map((cell, index) => ({
          id: `r${restart}-${String(round).padStart(3, '0')}-${String(index + 1).padStart(2, '0')}`,
          restart,
          round,
          order: index + 1,
          ...cell,
        }));
      }),
    })),
  );
}

const listRates = ({ workloads, rates }: ResolvedStudy) =>
  workloads.flatMap((workload) => (rates[workload] ?? []).map((rate) => ({ workload, rate })));

const numbered = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

/** The number of slices in one round of every group of every restart. */
const countCells = (study: ResolvedStudy, networks: readonly string[]): number =>
  numbered(study.restarts)
    .flatMap((restart) => groupNetworks(study, networks, restart))
    .reduce((sum, { stations }) => sum + stations.length * listRates(study).length, 0);

/** Before the first restart: opening, probing, and the reference's maximum. */
const ONCE_MS = 5_000;
/** After the last restart: the reports. */
const REPORTS_MS = 2_000;
/** From the end of a window to the next warm-up. */
const BETWEEN_SLICES_MS = 14;
/** The share of slices that are measured again on a machine with little other work. */
const EXPECTED_RETRIES = 0.03;
/** In all restarts: with fewer, an interval is wide for want of degrees of freedom. */
const LEAST_ROUNDS = 48;
const [LEAST_SLICE_MS, GREATEST_SLICE_MS] = [125, 1_000];
/** In each restart of a study too short for more: slices of 100 ms still support a p99 from 4,000 requests/s. */
const [FEWEST_ROUNDS, SHORTEST_SLICE_MS] = [4, 100];

/**
 * Divides the time of a study among rounds and slices: 48 rounds of slices as long as they fit, up to 1 s, then more rounds.
 * Where the slices would be shorter than 125 ms, there are fewer rounds, and where those would be fewer than 4 in a restart, the slices
 * are shorter, down to 100 ms. A given slice stays.
 */
export function divideTime(
  study: ResolvedStudy,
  networks: readonly string[],
): Pick<ResolvedStudy, 'rounds' | 'durationMs'> {
  const { timeMs, restarts, warmupMs, generator } = study;
  if (timeMs === null) return study;
  const freeMs = Math.max(timeMs - ONCE_MS - restartsTimeMs(study, restarts), timeMs / 3);
  const roundsMs = (freeMs * (1 - EXPECTED_RETRIES)) / Math.max(1, countCells(study, networks));
  if (generator !== 'barewire') {
    const durationMs = study.sliceGiven ? study.durationMs : GREATEST_SLICE_MS;
    return { durationMs, rounds: Math.max(1, Math.floor(roundsMs / sliceTimeMs({ ...study, durationMs }))) };
  }
  const restMs = warmupMs + BETWEEN_SLICES_MS;
  const wanted = roundsMs / Math.ceil(LEAST_ROUNDS / restarts) - restMs;
  const leastMs = Math.min(LEAST_SLICE_MS, Math.max(SHORTEST_SLICE_MS, roundsMs / FEWEST_ROUNDS - restMs));
  const durationMs = study.sliceGiven
    ? study.durationMs
    : Math.round(Math.min(Math.max(wanted, leastMs), GREATEST_SLICE_MS));
  // The window is rounded to milliseconds, by which a round must not be lost.
  const rounds = Math.floor(roundsMs / (durationMs - 1 + restMs));
  return { durationMs, rounds: Math.max(1, rounds) };
}

/** How long setting up these restarts and the reports take, ms. */
export const restartsTimeMs = ({ testbed }: Pick<ResolvedStudy, 'testbed'>, restarts: number): number =>
  restarts * findTestbedKind(testbed).restartMs + REPORTS_MS;

/** How long a slice takes with everything around its window, ms. */
export const sliceTimeMs = (study: ResolvedStudy): number =>
  study.generator === 'barewire'
    ? study.warmupMs + study.durationMs + BETWEEN_SLICES_MS
    : externalSliceMs(study.generator, externalLoadOf(study));

/** A load without a target: what the time of an external generator depends on. */
const externalLoadOf = ({ connections, warmupMs, durationMs, timeoutMs, seed }: ResolvedStudy) => ({
  target: { address: '', port: 0, path: '/', host: '' },
  expect: { status: 200, bodyBytes: 0 },
  threads: 1,
  cpus: [],
  connections,
  warmupMs,
  durationMs,
  timeoutMs,
  seed,
});

/**
 * The most restarts, up to `most`, that leave time for a round of every cell in each.
 *
 * @param study with any number of restarts
 */
export function fittingRestarts(study: ResolvedStudy, timeMs: number, most: number): number {
  const fits = (restarts: number): boolean => {
    const cells = countCells({ ...study, restarts }, study.networks);
    return ONCE_MS + restartsTimeMs(study, restarts) + cells * sliceTimeMs(study) <= timeMs;
  };
  return numbered(most).findLast(fits) ?? 1;
}

/**
 * The slices of each group of a restart that are measured: those of the networks that can run. Of several groups, one whose contenders
 * cannot run has none.
 */
export function selectSlices<Slice extends Pick<PlannedSlice, 'network' | 'role'>>(
  groups: readonly { readonly slices: readonly Slice[] }[],
  networks: readonly string[],
): readonly (readonly Slice[])[] {
  const canRun = ({ network }: Slice): boolean => networks.includes(network);
  return groups.map(({ slices }) => {
    const contenders = slices.filter(({ role }) => role === 'contender');
    const isEmpty = groups.length > 1 && contenders.length > 0 && !contenders.some(canRun);
    return isEmpty ? [] : slices.filter(canRun);
  });
}

/**
 * The slices of the networks that can run, with their rates. Leaving a network out changes no other slice.
 *
 * @param stoppedAfter the last restart of a study that reached its precision
 */
export const planSlices = (
  study: ResolvedStudy,
  networks: readonly string[],
  maxima: ReferenceMaxima,
  stoppedAfter = Infinity,
): readonly PlannedSlice[] =>
  drawRestarts(study)
    .flatMap((groups) => selectSlices(groups, networks).flat())
    .filter(({ restart }) => restart <= stoppedAfter)
    .map((slice) => resolveSlice(slice, maxima));

/** @throws BarewireError for a share of a maximum that is not known */
export function resolveSlice({ rate, ...slice }: DrawnSlice, maxima: ReferenceMaxima): PlannedSlice {
  if (rate.kind === 'absolute') return { ...slice, rateRps: rate.rps, rateOfMax: null };
  const maxRps = maxima[slice.workload] ?? null;
  if (maxRps === null) throw bug(`The maximum of the reference with ${slice.workload} is not known.`);
  return { ...slice, rateRps: Math.round(rate.ofMax * maxRps), rateOfMax: rate.ofMax };
}

/** Fisher–Yates. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const at = Math.floor(random() * (last + 1));
    const [a, b] = [order[last], order[at]];
    if (a !== undefined && b !== undefined) [order[last], order[at]] = [b, a];
  }
  return order;
}

/** mulberry32: 32 bits of state are enough for the order of some slices, and the sequence is the same everywhere. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The networks to measure. One with an inconclusive probe is tried, and fails with its own reason. */
export const measurable = (statuses: readonly NetworkStatus[]): readonly string[] =>
  statuses.filter(({ support }) => support !== 'no').map(({ name }) => name);
