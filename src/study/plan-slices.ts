import {
  type PlannedSlice,
  type Rate,
  type ResolvedStudy,
  type WorkloadName,
  bug,
  type NetworkStatus,
  REFERENCE,
} from '../schema/index.js';

/** The reference's maximum by workload, requests per second. */
export type ReferenceMaxima = Readonly<Partial<Record<WorkloadName, number | null>>>;

/** A slice before the reference's maximum is known: a share of it is not a number yet. */
export interface DrawnSlice extends Omit<PlannedSlice, 'rateRps' | 'rateOfMax'> {
  readonly workload: WorkloadName;
  readonly rate: Rate;
}

/**
 * Draws all slices of a study in the order to run them: each restart is one pass over network × workload × rate in a random
 * order from the seed, with the reference twice. The same study gives the same slices, so that a resume finds its position.
 */
export function drawSlices(study: ResolvedStudy): readonly DrawnSlice[] {
  const cells = study.workloads.flatMap((workload) =>
    (study.rates[workload] ?? []).flatMap((rate) =>
      study.networks.flatMap((network) =>
        (network === REFERENCE ? (['reference', 'control'] as const) : (['contender'] as const)).map(
          (role) => ({
            role,
            network,
            workload,
            rate,
          }),
        ),
      ),
    ),
  );
  const random = seeded(study.seed);
  return Array.from({ length: study.restarts }, (_, index) =>
    shuffled(cells, random).map((cell, position) => ({
      id: `r${index + 1}-${String(position + 1).padStart(2, '0')}`,
      restart: index + 1,
      round: 1,
      order: position + 1,
      ...cell,
    })),
  ).flat();
}

/** The slices of the networks that can run, with their rates. Leaving a network out changes no other slice. */
export const planSlices = (
  study: ResolvedStudy,
  networks: readonly string[],
  maxima: ReferenceMaxima,
): readonly PlannedSlice[] =>
  drawSlices(study)
    .filter(({ network }) => networks.includes(network))
    .map((slice) => resolveSlice(slice, maxima));

/** @throws BarewireError for a share of a maximum that is not known */
export function resolveSlice({ rate, ...slice }: DrawnSlice, maxima: ReferenceMaxima): PlannedSlice {
  if (rate.kind === 'absolute') return { ...slice, rateRps: rate.rps, rateOfMax: null };
  const maxRps = maxima[slice.workload] ?? null;
  if (maxRps === null) throw bug(`The maximum of ${REFERENCE} with ${slice.workload} is not known.`);
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
