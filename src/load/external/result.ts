import { ERROR_KINDS, type LoadPlan, type ExternalResult } from '../../schema/index.js';
import { MAX_CPU_SHARE, MAX_UNOPENED_SHARE } from '../thresholds.js';
import type { ExternalTool, ExternalFigures } from './types.js';

/** Below it the load was another one than was asked for. */
const LEAST_OF_RATE = 0.99;

/** CPU seconds of the tool from its start to its end. */
export interface Spent {
  readonly user: number;
  readonly system: number;
  readonly wallS: number;
}

/** What a tool said, in the form of our own results, with what can be checked of it from outside. */
export function externalResult(
  peer: ExternalTool,
  plan: LoadPlan,
  said: ExternalFigures,
  spent: Spent,
): ExternalResult {
  const errors = Object.fromEntries(ERROR_KINDS.map((kind) => [kind, said.errors[kind] ?? 0]));
  const failed = Object.values(errors).reduce((sum, count) => sum + count, 0);
  const intended = said.requests + failed + (said.unanswered ?? 0);
  const achievedRps = said.requests / said.durationS;
  const reasons = [
    ...said.doubts,
    ...(plan.mode.kind === 'open'
      ? [behind(peer, plan.mode.rateRps, achievedRps), busy(peer, plan, spent)]
      : []),
    unopened(peer, said, intended),
    said.requests > 0 ? null : 'no request was answered as expected',
  ].filter((reason) => reason !== null);
  return {
    requests: said.requests,
    intended,
    durationS: said.durationS,
    achievedRps,
    errors: errors as ExternalResult['errors'],
    cpuSeconds: { user: spent.user, system: spent.system },
    response: said.response.encode(),
    service: said.service.encode(),
    selfCheck: {
      valid: reasons.length === 0,
      reasons,
      offeredRps: plan.mode.kind === 'open' ? plan.mode.rateRps : null,
      achievedRps,
    },
  };
}

/** Whether the tool or the server was too slow, nobody can say who has only latencies from the send. */
function behind(peer: ExternalTool, rateRps: number, achievedRps: number): string | null {
  if (peer.timedFrom === 'intended' || achievedRps >= rateRps * LEAST_OF_RATE) return null;
  const achieved = Math.round(achievedRps);
  return `${peer.name} made ${achieved} of ${Math.round(rateRps)} requests/s (limit 99 %)`;
}

function busy(peer: ExternalTool, { threads }: LoadPlan, { user, system, wallS }: Spent): string | null {
  const share = (user + system) / (wallS * threads);
  if (share <= MAX_CPU_SHARE) return null;
  return `${peer.name} used ${(share * 100).toFixed(1)} % of its CPU (limit ${MAX_CPU_SHARE * 100} %)`;
}

function unopened(peer: ExternalTool, { errors }: ExternalFigures, intended: number): string | null {
  const failed = errors.connect ?? 0;
  if (failed <= intended * MAX_UNOPENED_SHARE) return null;
  return `${peer.name} could not open connections ${failed} times`;
}
