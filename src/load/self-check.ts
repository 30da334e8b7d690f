import type { SelfCheck, LoadPlan } from '../schema/index.js';
import { errnoName } from '../linux/index.js';
import { Histogram } from '../stats/index.js';
import { ERROR_PLACES, type Tally } from './engine/tally.js';
import {
  MAX_CPU_SHARE,
  MAX_MISSED_SHARE,
  MAX_SCHEDULING_DELAY_P99_US,
  MAX_STALLED_SHARE,
  MAX_UNOPENED_SHARE,
} from './thresholds.js';

/** What the generator can vouch for: it is judged by what it did late itself, never by a slow server. */
export function checkSelf(plan: LoadPlan, sum: Tally, tallies: readonly Tally[]): SelfCheck {
  const durationS = plan.durationMs / 1000;
  const busyS = (tally: Tally): number => tally.cpuUserS + tally.cpuSystemS - tally.busyPolledNs / 1e9;
  const cpuShare = Math.max(0, ...tallies.map(busyS)) / durationS;
  const reasons = doubts(plan, sum, cpuShare);
  return {
    valid: reasons.length === 0,
    reasons,
    offeredRps: plan.mode.kind === 'open' ? plan.mode.rateRps : null,
    achievedRps: sum.answeredInWindow / durationS,
    sendLatenessUs: spreadUs(sum.lateness),
    schedulingDelayUs: spreadUs(sum.schedulingDelay),
    loopLagUs: spreadUs(sum.loopLag),
    stalls: {
      count: sum.stalls,
      totalMs: sum.stallNs / 1e6,
      maxMs: sum.maxStallNs / 1e6,
      requestShare: sum.stalledRequests / Math.max(sum.requests, 1),
    },
    runDelayMs: sum.runDelayS * 1000,
    lateSends: sum.lateSends,
    missedSends: sum.missedSends,
    cpuShare,
    connectionsLost: sum.connectionsLost,
  };
}

/** An open loop is held to its rate; a closed loop only to have been one. */
function doubts(plan: LoadPlan, sum: Tally, cpuShare: number): string[] {
  const times = plan.emulated === true ? [] : [lateByItself(sum), stalled(sum), saturated(cpuShare)];
  const pace = plan.mode.kind === 'open' ? [...times, missed(sum)] : [];
  return [...pace, unopened(sum), unanswered(sum)].filter((reason) => reason !== null);
}

function lateByItself(sum: Tally): string | null {
  const { p99 } = spreadUs(sum.schedulingDelay);
  if (p99 <= MAX_SCHEDULING_DELAY_P99_US) return null;
  return (
    `the generator sent late by itself: p99 ${Math.round(p99)} µs after the request was due and its connection free ` +
    `(limit ${MAX_SCHEDULING_DELAY_P99_US} µs)`
  );
}

function stalled({ stalls, stalledRequests, requests, maxStallNs, runDelayS }: Tally): string | null {
  if (stalledRequests <= requests * MAX_STALLED_SHARE) return null;
  return (
    `the generator stood still ${stalls} times, up to ${(maxStallNs / 1e6).toFixed(1)} ms ` +
    `(other tasks had its CPU for ${(runDelayS * 1000).toFixed(0)} ms), and ${percent(stalledRequests / requests)} ` +
    `of the response times are mostly that (limit ${percent(MAX_STALLED_SHARE)})`
  );
}

function saturated(cpuShare: number): string | null {
  if (cpuShare <= MAX_CPU_SHARE) return null;
  return `a generator thread used ${percent(cpuShare)} of its CPU (limit ${percent(MAX_CPU_SHARE)})`;
}

function missed({ missedSends, intended }: Tally): string | null {
  if (missedSends <= intended * MAX_MISSED_SHARE) return null;
  return `${missedSends} of ${intended} requests were never sent (limit ${percent(MAX_MISSED_SHARE)})`;
}

function unopened({ errors, intended, connectErrno }: Tally): string | null {
  const failed = errors[ERROR_PLACES.connect]!;
  if (failed <= intended * MAX_UNOPENED_SHARE) return null;
  return (
    `connections could not be opened (${whyUnopened(connectErrno)}), which failed ${failed} of ${intended} requests ` +
    `(limit ${percent(MAX_UNOPENED_SHARE)})`
  );
}

const WHY_UNOPENED: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ETIMEDOUT: 'no answer in time: the packets are lost, or the listen backlog is full',
  EMFILE: 'no more open files are allowed: raise `ulimit -n`, or use more threads',
  ENFILE: 'the machine has no more open files: raise fs.file-max',
  EADDRNOTAVAIL: 'this host has no such source address, or no port of it is left: give more sources',
  EADDRINUSE: 'no source port is left: give more sources',
  ENOBUFS: 'the kernel has no memory for more: see net.ipv4.tcp_mem',
  ENETUNREACH: 'no route leads there',
  EHOSTUNREACH: 'the host does not answer',
};

function whyUnopened(errno: number): string {
  const name = errnoName(errno);
  const why = WHY_UNOPENED[name];
  return why === undefined ? name : `${name}, ${why}`;
}

const unanswered = ({ requests }: Tally): string | null =>
  requests > 0 ? null : 'no request was answered as expected';

const percent = (share: number): string => `${Number((share * 100).toFixed(1))} %`;

function spreadUs(counts: Float64Array): SelfCheck['sendLatenessUs'] {
  const histogram = new Histogram(counts);
  const us = (ns: number): number => ns / 1000;
  return { p50: us(histogram.quantile(0.5)), p99: us(histogram.quantile(0.99)), max: us(histogram.max) };
}
