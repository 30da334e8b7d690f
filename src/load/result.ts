import { errnoName, type CpuQuota } from '../linux/index.js';
import { ERROR_KINDS, type LoadPlan, type LoadResult, type Traffic } from '../schema/index.js';
import { Histogram } from '../stats/index.js';
import { checkSelf } from './self-check.js';
import { BYTES, ERROR_PLACES, newTally, type Tally } from './engine/tally.js';

/** Merges exactly: counts and histogram cells are integers. */
export function mergeTallies(tallies: readonly Tally[]): Tally {
  const [only] = tallies;
  if (only !== undefined && tallies.length === 1) return only;
  const sum = newTally();
  for (const tally of tallies) addTo(sum, tally);
  return sum;
}

const SUMS = [
  'requests',
  'intended',
  'receivedInWindow',
  'missedSends',
  'lateSends',
  'connectionsLost',
  'cpuUserS',
  'cpuSystemS',
  'busyPolledNs',
  'busyPolledSystemNs',
  'runDelayS',
  'stalls',
  'stallNs',
  'stalledRequests',
  'opened',
  'openedInWindow',
  'closedAfterResponse',
] as const satisfies (keyof Tally)[];
const COUNTS = ['errors', 'statuses', 'connectErrnos'] as const;
const HISTOGRAMS = ['response', 'service', 'lateness', 'schedulingDelay', 'loopLag', 'connect'] as const;

function addTo(sum: Tally, tally: Tally): void {
  for (const key of SUMS) sum[key] += tally[key];
  for (const key of HISTOGRAMS) new Histogram(sum[key]).merge(new Histogram(tally[key]));
  for (const key of COUNTS) tally[key].forEach((count, place) => (sum[key][place]! += count));
  for (const place of [BYTES.sent, BYTES.received, BYTES.bodies]) sum.bytes[place]! += tally.bytes[place]!;
  sum.bytes[BYTES.shortestBody] = Math.min(sum.bytes[BYTES.shortestBody]!, tally.bytes[BYTES.shortestBody]!);
  sum.bytes[BYTES.longestBody] = Math.max(sum.bytes[BYTES.longestBody]!, tally.bytes[BYTES.longestBody]!);
  sum.maxStallNs = Math.max(sum.maxStallNs, tally.maxStallNs);
  sum.connectErrno ||= tally.connectErrno;
  sum.malformed ||= tally.malformed;
}

function trafficOf(sum: Tally): Traffic {
  const connect = new Histogram(sum.connect);
  const us = (q: number): number => connect.quantile(q) / 1000;
  const { [BYTES.shortestBody]: min = 0, [BYTES.longestBody]: max = 0 } = sum.bytes;
  return {
    statuses: countsByName(sum.statuses, String),
    sentBytes: sum.bytes[BYTES.sent]!,
    receivedBytes: sum.bytes[BYTES.received]!,
    bodyBytes: sum.bytes[BYTES.bodies]!,
    bodyLength: min <= max ? { min, max } : null,
    opened: sum.opened,
    openedInWindow: sum.openedInWindow,
    closedAfterResponse: sum.closedAfterResponse,
    connectUs: sum.opened === 0 ? null : { p50: us(0.5), p99: us(0.99), max: connect.max / 1000 },
    connectErrors: countsByName(sum.connectErrnos, errnoName),
    ...(sum.malformed === '' ? {} : { malformed: sum.malformed }),
  };
}

/** Those that are not zero. */
const countsByName = (counts: Float64Array, name: (place: number) => string): Record<string, number> =>
  Object.fromEntries(
    [...counts].flatMap((count, place) => (count === 0 ? [] : [[name(place), count] as const])),
  );

/** `quota` as for `checkSelf`. */
export function resultOf(
  plan: LoadPlan,
  sum: Tally,
  tallies: readonly Tally[],
  quota: CpuQuota | null,
): LoadResult {
  const durationS = plan.durationMs / 1000;
  const errors = Object.fromEntries(ERROR_KINDS.map((kind) => [kind, sum.errors[ERROR_PLACES[kind]]!]));
  return {
    requests: sum.requests,
    intended: sum.intended,
    durationS,
    achievedRps: sum.receivedInWindow / durationS,
    errors: errors as LoadResult['errors'],
    traffic: trafficOf(sum),
    cpuSeconds: { user: sum.cpuUserS, system: sum.cpuSystemS },
    busyPolledSeconds: {
      user: (sum.busyPolledNs - sum.busyPolledSystemNs) / 1e9,
      system: sum.busyPolledSystemNs / 1e9,
    },
    response: new Histogram(sum.response).encode(),
    service: new Histogram(sum.service).encode(),
    selfCheck: checkSelf(plan, sum, tallies, quota),
  };
}
