import type { Certificate, LoadPlan } from '../schema/index.js';
import { Histogram } from '../stats/index.js';
import type { Tally } from './tally.js';
import { MAX_CPU_SHARE, MAX_MISSED_SHARE, MAX_OWN_LATENESS_P99_US } from './thresholds.js';

/** What the generator can vouch for: it is judged by what it did late itself, never by a slow server. */
export function certify(plan: LoadPlan, sum: Tally, tallies: readonly Tally[]): Certificate {
  const durationS = plan.durationMs / 1000;
  const cpuShare = Math.max(0, ...tallies.map((tally) => (tally.cpuUserS + tally.cpuSystemS) / durationS));
  const reasons = plan.mode.kind === 'open' ? doubts(sum, cpuShare) : [];
  return {
    valid: reasons.length === 0,
    reasons,
    offeredRps: plan.mode.kind === 'open' ? plan.mode.rateRps : null,
    achievedRps: sum.answeredInWindow / durationS,
    sendLatenessUs: spreadUs(sum.lateness),
    ownLatenessUs: spreadUs(sum.ownLateness),
    loopLagUs: spreadUs(sum.loopLag),
    lateSends: sum.lateSends,
    missedSends: sum.missedSends,
    cpuShare,
    connectionsLost: sum.connectionsLost,
  };
}

function doubts(sum: Tally, cpuShare: number): string[] {
  const p99 = spreadUs(sum.ownLateness).p99;
  const missed = sum.missedSends / Math.max(sum.intended, 1);
  return [
    p99 > MAX_OWN_LATENESS_P99_US &&
      `the generator sent late by itself: p99 ${Math.round(p99)} µs after the request was due and its connection free (limit ${MAX_OWN_LATENESS_P99_US} µs)`,
    cpuShare > MAX_CPU_SHARE &&
      `a generator thread used ${percent(cpuShare)} of its CPU (limit ${percent(MAX_CPU_SHARE)})`,
    missed > MAX_MISSED_SHARE &&
      `${sum.missedSends} of ${sum.intended} requests were never sent (limit ${percent(MAX_MISSED_SHARE)})`,
  ].filter((reason) => reason !== false);
}

const percent = (share: number): string => `${Number((share * 100).toFixed(1))} %`;

function spreadUs(counts: Float64Array): Certificate['sendLatenessUs'] {
  const histogram = new Histogram(counts);
  const us = (ns: number): number => ns / 1000;
  return { p50: us(histogram.quantile(0.5)), p99: us(histogram.quantile(0.99)), max: us(histogram.max) };
}
