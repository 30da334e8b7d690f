import { LATENCY_KEYS, QUANTILE_NAMES, QUANTILES, type LatencyEstimates } from '../schema/index.js';
import type { CellSlices, ValidSlice } from './cells.js';
import { quantileRank } from './order-ranks.js';
import { MS_PER_NS, whyNot } from './within.js';

const SIDES = ['client', 'server'] as const;
/** Linux's least retransmission time-out; it doubles, so that losses in a row wait 200·2^k or 200·(2^k − 1) ms. */
const LEAST_RTO_MS = 200;
/** How far above a time-out a latency may lie and still be that time-out with the rest of the way. */
const BEYOND_RTO = 0.12;
/** A hypervisor that takes more of a side's CPU time than this is named. */
const STEAL_SHARE = 0.001;
/** From this many times on, two slices of a cell are named for their difference. */
const UNSTEADY = 3;
const RESENT = { RetransSegs: 'sent again', TCPTimeouts: 'timed out', TCPLostRetransmit: 'lost once more' };
const DROPPED = /(_dropped|\.dropped|Drops?|Overflows|_errors)$/;

/** What decided the tail of a cell, in words, from the counters of its valid slices and the latencies themselves. */
export function tailOf({ valid }: CellSlices, latencyMs: LatencyEstimates): string[] {
  if (valid.length === 0) return [];
  return [
    ...resent(valid, latencyMs),
    ...dropped(valid),
    ...stalled(valid),
    ...stolen(valid),
    ...unsteady(valid),
  ];
}

function resent(slices: readonly ValidSlice[], latencyMs: LatencyEstimates): string[] {
  const counters = bySide(slices);
  const counts = Object.entries(RESENT).flatMap(([counter, what]) => {
    const named = counters.filter(({ name }) => name.endsWith(`.${counter}`));
    const count = named.reduce((sum, { moved }) => sum + moved, 0);
    return count > 0 ? [`${count} ${what} (${counter})`] : [];
  });
  const places = LATENCY_KEYS.flatMap((key) => {
    const ms = latencyMs[key].value;
    return ms !== null && atTimeout(ms) ? [`${key} (${ms.toFixed(0)} ms)`] : [];
  });
  const segments = counts.length === 0 ? 'the kernel counted none' : `TCP segments: ${counts.join(', ')}`;
  if (places.length > 0)
    return [`${places.join(', ')}: at a retransmission time-out of TCP (200 ms, doubling); ${segments}`];
  return counts.length === 0 ? [] : [segments];
}

function atTimeout(ms: number): boolean {
  const doublings = Math.floor(Math.log2(ms / LEAST_RTO_MS));
  const waits = [LEAST_RTO_MS * 2 ** doublings, LEAST_RTO_MS * (2 ** (doublings + 1) - 1)];
  return doublings >= 0 && waits.some((wait) => ms >= wait && ms <= wait * (1 + BEYOND_RTO));
}

function dropped(slices: readonly ValidSlice[]): string[] {
  const drops = bySide(slices).filter(({ name, moved }) => DROPPED.test(name) && moved > 0);
  if (drops.length === 0) return [];
  const requests = slices.reduce((sum, slice) => sum + slice.response.intended, 0);
  const events = drops.reduce((sum, { moved }) => sum + moved, 0);
  const list = drops.map(({ side, name, moved }) => `${side} ${name} ${moved}`).join(', ');
  return [`dropped: ${list}; enough to decide ${from(events / requests)}`];
}

function stolen(slices: readonly ValidSlice[]): string[] {
  return SIDES.flatMap((side) => {
    const times = slices.map((slice) => slice.record.metrics[side].cpuSeconds);
    const all = times.flatMap((time) => Object.values(time)).reduce((sum, seconds) => sum + seconds, 0);
    const steal = times.reduce((sum, time) => sum + time.steal, 0);
    if (steal <= all * STEAL_SHARE) return [];
    return [`steal: the hypervisor took ${((100 * steal) / all).toFixed(1)} % of the ${side}'s CPU time`];
  });
}

/** The generator's own stalls: it says of which share of the requests it cannot tell network from itself. */
function stalled(slices: readonly ValidSlice[]): string[] {
  const stalls = slices.flatMap(({ record: { load } }) =>
    'stalls' in load.selfCheck && load.selfCheck.stalls !== undefined
      ? [{ ...load.selfCheck.stalls, requests: load.requests }]
      : [],
  );
  const met = stalls.reduce((sum, { requestShare, requests }) => sum + requestShare * requests, 0);
  if (met === 0) return [];
  const share = met / stalls.reduce((sum, { requests }) => sum + requests, 0);
  const times = stalls.reduce((sum, { count }) => sum + count, 0);
  const longestMs = Math.max(...stalls.map(({ maxMs }) => maxMs));
  return [
    `the generator stood still ${times} times, up to ${longestMs.toFixed(1)} ms, which ${(100 * share).toPrecision(2)} % of ` +
      `the requests met: enough to decide ${from(share)}`,
  ];
}

/** Quantiles that come out several times as high in one slice as in another: what decides them comes and goes. */
function unsteady(slices: readonly ValidSlice[]): string[] {
  const apart = QUANTILE_NAMES.flatMap((key) => {
    const carrying = slices.filter(({ response }) => whyNot(response, QUANTILES[key]) === null);
    const ms = carrying.map(
      ({ response }) => response.atRank(quantileRank(response.intended, QUANTILES[key]))!.highNs * MS_PER_NS,
    );
    const [least, most] = [Math.min(...ms), Math.max(...ms)];
    return most >= UNSTEADY * least ? [`${key} (${least.toPrecision(2)} to ${most.toPrecision(2)} ms)`] : [];
  });
  return apart.length === 0 ? [] : [`unsteady from slice to slice: ${apart.join(', ')}`];
}

/** The quantiles that a share of the requests is enough to decide. */
function from(share: number): string {
  const first = QUANTILE_NAMES.find((key) => 1 - QUANTILES[key] <= share);
  return first === undefined ? 'max' : `${first} and above`;
}

/** The counters of all slices together, by side and name. */
function bySide(slices: readonly ValidSlice[]): { side: string; name: string; moved: number }[] {
  return SIDES.flatMap((side) => {
    const sums = new Map<string, number>();
    for (const { record } of slices)
      for (const [name, moved] of Object.entries(record.metrics[side].counters))
        sums.set(name, (sums.get(name) ?? 0) + moved);
    return [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, moved]) => ({ side, name, moved }));
  });
}
