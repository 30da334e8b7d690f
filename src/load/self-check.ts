import { errnoName, type CpuQuota } from '../linux/index.js';
import type { Finding, LoadPlan, SelfCheck } from '../schema/index.js';
import { Histogram } from '../stats/index.js';
import { ERROR_PLACES, type Tally } from './engine/tally.js';
import { SELF_CHECK_LIMITS } from './thresholds.js';

/**
 * Checks the generator by its own behaviour, never by the server's.
 *
 * @param quota the CPU quota of this process, with the periods of this load alone; null without one
 */
export function checkSelf(
  plan: LoadPlan,
  sum: Tally,
  tallies: readonly Tally[],
  quota: CpuQuota | null,
): SelfCheck {
  const durationS = plan.durationMs / 1000;
  const busyS = (tally: Tally): number => tally.cpuUserS + tally.cpuSystemS - tally.busyPolledNs / 1e9;
  const cpuShare = Math.max(0, ...tallies.map(busyS)) / durationS;
  const findings = findFaults(plan, sum, cpuShare, quota);
  return {
    valid: findings.length === 0,
    findings,
    offeredRps: plan.mode.kind === 'open' ? plan.mode.rateRps : null,
    achievedRps: sum.receivedInWindow / durationS,
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

/** An open loop must keep its rate; a closed loop has none. Times of an emulated host invalidate nothing. */
function findFaults(plan: LoadPlan, sum: Tally, cpuShare: number, quota: CpuQuota | null): Finding[] {
  const findings: Finding[] = [];
  const { missedSends: missed, intended } = sum;
  if (plan.mode.kind === 'open') {
    if (plan.emulated !== true) findings.push(...findTimingFaults(sum, cpuShare));
    if (findings.length > 0 && quota !== null && quota.throttledPeriods > 0)
      findings.push({ code: 'generator-throttled', ...quota });
    const { value: limitShare } = SELF_CHECK_LIMITS.missedShare;
    if (missed > intended * limitShare) findings.push({ code: 'sends-missed', missed, intended, limitShare });
  }
  const failed = sum.errors[ERROR_PLACES.connect]!;
  const { value: limitShare } = SELF_CHECK_LIMITS.unopenedShare;
  if (failed > intended * limitShare) {
    const errno = errnoName(sum.connectErrno);
    findings.push({ code: 'connections-unopened', errno, failed, intended, limitShare });
  }
  if (sum.requests === 0) findings.push({ code: 'nothing-received' });
  return findings;
}

function findTimingFaults(sum: Tally, cpuShare: number): Finding[] {
  const findings: Finding[] = [];
  const { p99 } = spreadUs(sum.schedulingDelay);
  const { value: limitUs } = SELF_CHECK_LIMITS.schedulingDelayP99Us;
  if (p99 > limitUs) findings.push({ code: 'generator-late', p99Us: Math.round(p99), limitUs });
  const { value: stalledShare } = SELF_CHECK_LIMITS.stalledShare;
  if (sum.stalledRequests > sum.requests * stalledShare)
    findings.push({
      code: 'generator-stalled',
      count: sum.stalls,
      maxMs: sum.maxStallNs / 1e6,
      runDelayMs: sum.runDelayS * 1000,
      share: sum.stalledRequests / sum.requests,
      limitShare: stalledShare,
    });
  const { value: cpuLimit } = SELF_CHECK_LIMITS.cpuShare;
  if (cpuShare > cpuLimit)
    findings.push({
      code: 'generator-saturated',
      generator: 'a generator thread',
      share: cpuShare,
      limitShare: cpuLimit,
    });
  return findings;
}

function spreadUs(counts: Float64Array): SelfCheck['sendLatenessUs'] {
  const histogram = new Histogram(counts);
  const us = (ns: number): number => ns / 1000;
  return { p50: us(histogram.quantile(0.5)), p99: us(histogram.quantile(0.99)), max: us(histogram.max) };
}
