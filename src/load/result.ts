import { ERROR_KINDS, type LoadPlan, type LoadResult } from '../schema/index.js';
import { Histogram } from '../stats/index.js';
import { checkSelf } from './self-check.js';
import { ERROR_PLACES, newTally, type Tally } from './engine/tally.js';

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
] as const satisfies (keyof Tally)[];
const HISTOGRAMS = ['response', 'service', 'lateness', 'schedulingDelay', 'loopLag'] as const;

function addTo(sum: Tally, tally: Tally): void {
  for (const key of SUMS) sum[key] += tally[key];
  for (const key of HISTOGRAMS) new Histogram(sum[key]).merge(new Histogram(tally[key]));
  tally.errors.forEach((count, place) => (sum.errors[place]! += count));
  sum.maxStallNs = Math.max(sum.maxStallNs, tally.maxStallNs);
  sum.connectErrno ||= tally.connectErrno;
}

export function resultOf(plan: LoadPlan, sum: Tally, tallies: readonly Tally[]): LoadResult {
  const durationS = plan.durationMs / 1000;
  const errors = Object.fromEntries(ERROR_KINDS.map((kind) => [kind, sum.errors[ERROR_PLACES[kind]]!]));
  return {
    requests: sum.requests,
    intended: sum.intended,
    durationS,
    achievedRps: sum.receivedInWindow / durationS,
    errors: errors as LoadResult['errors'],
    cpuSeconds: { user: sum.cpuUserS, system: sum.cpuSystemS },
    busyPolledSeconds: {
      user: (sum.busyPolledNs - sum.busyPolledSystemNs) / 1e9,
      system: sum.busyPolledSystemNs / 1e9,
    },
    response: new Histogram(sum.response).encode(),
    service: new Histogram(sum.service).encode(),
    selfCheck: checkSelf(plan, sum, tallies),
  };
}
