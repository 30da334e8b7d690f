import {
  LATENCY_KEYS,
  QUANTILE_NAMES,
  QUANTILES,
  type Finding,
  type LatencyEstimates,
} from '../schema/index.js';
import type { CellSlices, ValidSlice } from './cells.js';
import { quantileRank } from './order-ranks.js';
import { findUnsupported, MS_PER_NS } from './quantile-estimates.js';

const SIDES = ['client', 'server'] as const;
/** Linux's minimum retransmission time-out; it doubles, so losses in a row wait 200·2^k or 200·(2^k − 1) ms. */
const MIN_RTO_MS = 200;
/** A latency up to this share above a time-out is that time-out plus the rest of the path. */
const RTO_TOLERANCE = 0.12;
/** The share of a side's CPU time from which steal is reported. */
const STEAL_SHARE = 0.001;
/** The ratio from which a quantile's difference between slices is reported. */
const UNSTEADY_RATIO = 3;
const DROP_COUNTER = /(_dropped|\.dropped|Drops?|Overflows|_errors)$/;

/** What determined the tail of a cell, from the counters of its valid slices and from the latencies. */
export function findTailCauses({ valid }: CellSlices, latencyMs: LatencyEstimates): Finding[] {
  if (valid.length === 0) return [];
  const counters = SIDES.flatMap((side) => {
    const sums = new Map<string, number>();
    for (const { record } of valid)
      for (const [name, moved] of Object.entries(record.metrics[side].counters))
        sums.set(name, (sums.get(name) ?? 0) + moved);
    return [...sums]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([counter, count]) => ({ side, counter, count }));
  });
  return [
    ...findRetransmissions(counters, latencyMs),
    ...findDrops(counters, valid),
    ...findGeneratorStalls(valid),
    ...SIDES.flatMap((side): Finding[] => {
      const times = valid.map((slice) => slice.record.metrics[side].cpuSeconds);
      const all = times.flatMap((time) => Object.values(time)).reduce((sum, seconds) => sum + seconds, 0);
      const steal = times.reduce((sum, time) => sum + time.steal, 0);
      return steal <= all * STEAL_SHARE ? [] : [{ code: 'tail-steal', side, share: steal / all }];
    }),
    ...findUnsteadyQuantiles(valid),
  ];
}

interface Counter {
  readonly side: 'client' | 'server';
  readonly counter: string;
  readonly count: number;
}

function findRetransmissions(counters: readonly Counter[], latencyMs: LatencyEstimates): Finding[] {
  const sum = (name: string): number =>
    counters.filter(({ counter }) => counter.endsWith(`.${name}`)).reduce((all, { count }) => all + count, 0);
  const resent = sum('RetransSegs');
  const timeouts = sum('TCPTimeouts');
  const lostAgain = sum('TCPLostRetransmit');
  const quantiles = LATENCY_KEYS.flatMap((key) => {
    const ms = latencyMs[key].value;
    return ms !== null && equalsTimeout(ms) ? [{ key, ms }] : [];
  });
  return [
    ...(quantiles.length === 0 ? [] : [{ code: 'tail-retransmission-timeout' as const, quantiles }]),
    ...(resent + timeouts + lostAgain === 0 && quantiles.length === 0
      ? []
      : [{ code: 'tail-retransmissions' as const, resent, timeouts, lostAgain }]),
  ];
}

function equalsTimeout(ms: number): boolean {
  const doublings = Math.floor(Math.log2(ms / MIN_RTO_MS));
  const waits = [MIN_RTO_MS * 2 ** doublings, MIN_RTO_MS * (2 ** (doublings + 1) - 1)];
  return doublings >= 0 && waits.some((wait) => ms >= wait && ms <= wait * (1 + RTO_TOLERANCE));
}

function findDrops(counters: readonly Counter[], slices: readonly ValidSlice[]): Finding[] {
  const drops = counters.filter(({ counter, count }) => DROP_COUNTER.test(counter) && count > 0);
  if (drops.length === 0) return [];
  const requests = slices.reduce((sum, slice) => sum + slice.response.intended, 0);
  const events = drops.reduce((sum, { count }) => sum + count, 0);
  return [{ code: 'tail-drops', drops, from: firstAffectedKey(events / requests) }];
}

function findGeneratorStalls(slices: readonly ValidSlice[]): Finding[] {
  const stalls = slices.flatMap(({ record: { load } }) =>
    'stalls' in load.selfCheck && load.selfCheck.stalls !== undefined
      ? [{ ...load.selfCheck.stalls, requests: load.requests }]
      : [],
  );
  const affected = stalls.reduce((sum, { requestShare, requests }) => sum + requestShare * requests, 0);
  if (affected === 0) return [];
  const share = affected / stalls.reduce((sum, { requests }) => sum + requests, 0);
  const count = stalls.reduce((sum, stall) => sum + stall.count, 0);
  const maxMs = Math.max(...stalls.map((stall) => stall.maxMs));
  return [{ code: 'tail-generator-stalls', count, maxMs, share, from: firstAffectedKey(share) }];
}

/** Quantiles several times as high in one slice as in another: their cause comes and goes. */
function findUnsteadyQuantiles(slices: readonly ValidSlice[]): Finding[] {
  const quantiles = QUANTILE_NAMES.flatMap((key) => {
    const supporting = slices.filter(({ response }) => findUnsupported(response, QUANTILES[key]) === null);
    const ms = supporting.map(
      ({ response }) => response.atRank(quantileRank(response.intended, QUANTILES[key]))!.highNs * MS_PER_NS,
    );
    const [lowMs, highMs] = [Math.min(...ms), Math.max(...ms)];
    return highMs >= UNSTEADY_RATIO * lowMs ? [{ key, lowMs, highMs }] : [];
  });
  return quantiles.length === 0 ? [] : [{ code: 'tail-unsteady', quantiles }];
}

/** The lowest quantile that a share of the requests can determine; `max` when none. */
function firstAffectedKey(share: number): string {
  const first = QUANTILE_NAMES.find((key) => 1 - QUANTILES[key] <= share);
  return first === undefined ? 'max' : `${first} and above`;
}
