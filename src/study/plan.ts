import { type PlannedSlice, type Rate, type ResolvedStudy, type WorkloadName, bug } from '../schema/index.js';

/** The network that every ratio is against. */
export const REFERENCE = 'host';

/** The reference's maximum by workload, requests per second. */
export type ReferenceMaxima = Readonly<Partial<Record<WorkloadName, number | null>>>;

type Candidate = Omit<PlannedSlice, 'id' | 'restart' | 'round' | 'order'>;

/**
 * All slices of a study in the order to run them: each restart is one pass over network × workload × rate in an order of
 * its own, drawn from the seed, with the reference twice. The same arguments give the same plan, so that a resume
 * finds its place.
 */
export function planSlices(
  study: ResolvedStudy,
  networks: readonly string[],
  maxima: ReferenceMaxima,
): readonly PlannedSlice[] {
  const candidates = study.workloads.flatMap((workload) =>
    (study.rates[workload] ?? []).flatMap((rate) => ofRate(networks, workload, rate, maxima)),
  );
  const random = seeded(study.seed);
  return Array.from({ length: study.restarts }, (_, at) => ofRestart(candidates, at + 1, random)).flat();
}

function ofRate(
  networks: readonly string[],
  workload: WorkloadName,
  rate: Rate,
  maxima: ReferenceMaxima,
): Candidate[] {
  const rateRps = resolveRate(rate, maxima[workload] ?? null);
  const rateOfMax = rate.kind === 'share' ? rate.ofMax : null;
  const of = (network: string, role: Candidate['role']): Candidate => ({
    role,
    network,
    workload,
    rateRps,
    rateOfMax,
  });
  return networks.flatMap((network) =>
    network === REFERENCE ? [of(network, 'reference'), of(network, 'control')] : [of(network, 'contender')],
  );
}

function resolveRate(rate: Rate, maxRps: number | null): number {
  if (rate.kind === 'absolute') return rate.rps;
  if (maxRps === null) throw bug('A share of the maximum was asked for before the maximum is known.');
  return Math.round(rate.ofMax * maxRps);
}

function ofRestart(candidates: readonly Candidate[], restart: number, random: () => number): PlannedSlice[] {
  return shuffled(candidates, random).map((candidate, at) => ({
    id: `r${restart}-${String(at + 1).padStart(2, '0')}`,
    restart,
    round: 1,
    order: at + 1,
    ...candidate,
  }));
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

/** mulberry32: 32 bits of state are plenty for the order of some slices, and the same everywhere. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
