import { ERROR_KINDS, type LoadPlan, type LoadResult } from '../schema/index.js';
import { Histogram } from '../stats/index.js';
import { certify } from './certificate.js';
import { ERROR_PLACES, newTally, type Tally } from './tally.js';

/** Adds up exactly: counts and histogram cells are whole numbers. */
export function mergeTallies(tallies: readonly Tally[]): Tally {
  const sum = newTally();
  for (const tally of tallies) addTo(sum, tally);
  return sum;
}

function addTo(sum: Tally, tally: Tally): void {
  sum.requests += tally.requests;
  sum.intended += tally.intended;
  sum.answeredInWindow += tally.answeredInWindow;
  sum.missedSends += tally.missedSends;
  sum.lateSends += tally.lateSends;
  sum.connectionsLost += tally.connectionsLost;
  sum.cpuUserS += tally.cpuUserS;
  sum.cpuSystemS += tally.cpuSystemS;
  sum.spunNs += tally.spunNs;
  sum.connectErrno ||= tally.connectErrno;
  tally.errors.forEach((count, place) => (sum.errors[place]! += count));
  for (const key of ['response', 'service', 'lateness', 'ownLateness', 'loopLag'] as const)
    new Histogram(sum[key]).merge(new Histogram(tally[key]));
}

export function resultOf(plan: LoadPlan, sum: Tally, tallies: readonly Tally[]): LoadResult {
  const durationS = plan.durationMs / 1000;
  const errors = Object.fromEntries(ERROR_KINDS.map((kind) => [kind, sum.errors[ERROR_PLACES[kind]]!]));
  return {
    requests: sum.requests,
    intended: sum.intended,
    durationS,
    achievedRps: sum.answeredInWindow / durationS,
    errors: errors as LoadResult['errors'],
    cpuSeconds: { user: sum.cpuUserS, system: sum.cpuSystemS },
    spunSeconds: sum.spunNs / 1e9,
    response: new Histogram(sum.response).encode(),
    service: new Histogram(sum.service).encode(),
    certificate: certify(plan, sum, tallies),
  };
}
