import { ERROR_KINDS, type ExternalResult, type Finding, type LoadPlan } from '../../schema/index.js';
import { SELF_CHECK_LIMITS } from '../thresholds.js';
import type { ExternalFigures, ExternalTool } from './types.js';

/** An achieved rate further from the offered one than this share invalidates a slice. */
const RATE_TOLERANCE = 0.01;

/** CPU seconds of the tool from its start to its exit. */
export interface ToolCpu {
  readonly user: number;
  readonly system: number;
  readonly wallS: number;
}

/**
 * Converts an external generator's output to a result of Barewire's form, with the checks that are possible
 * from outside.
 */
export function externalResult(
  tool: ExternalTool,
  plan: LoadPlan,
  figures: ExternalFigures,
  cpu: ToolCpu,
): ExternalResult {
  const errors = Object.fromEntries(ERROR_KINDS.map((kind) => [kind, figures.errors[kind] ?? 0]));
  const failed = Object.values(errors).reduce((sum, count) => sum + count, 0);
  const intended = figures.requests + failed + (figures.unanswered ?? 0);
  const achievedRps = figures.requests / figures.durationS;
  const findings = [
    ...figures.findings,
    ...(plan.mode.kind === 'open' ? findRateFaults(tool, plan, plan.mode.rateRps, achievedRps, cpu) : []),
  ];
  const { value: limitShare } = SELF_CHECK_LIMITS.unopenedShare;
  const unopened = figures.errors.connect ?? 0;
  if (unopened > intended * limitShare)
    findings.push({ code: 'connections-unopened', errno: null, failed: unopened, intended, limitShare });
  if (figures.requests === 0) findings.push({ code: 'nothing-received' });
  return {
    requests: figures.requests,
    intended,
    durationS: figures.durationS,
    achievedRps,
    errors: errors as ExternalResult['errors'],
    cpuSeconds: { user: cpu.user, system: cpu.system },
    response: figures.response.encode(),
    service: figures.service.encode(),
    selfCheck: {
      valid: findings.length === 0,
      findings,
      offeredRps: plan.mode.kind === 'open' ? plan.mode.rateRps : null,
      achievedRps,
    },
  };
}

/** A missed rate may be the tool's fault or the server's. Either way its latencies are those of another load. */
function findRateFaults(
  tool: ExternalTool,
  { threads }: LoadPlan,
  offeredRps: number,
  achievedRps: number,
  { user, system, wallS }: ToolCpu,
): Finding[] {
  const findings: Finding[] = [];
  if (Math.abs(achievedRps / offeredRps - 1) > RATE_TOLERANCE)
    findings.push({
      code: 'rate-missed',
      generator: tool.name,
      achievedRps: Math.round(achievedRps),
      offeredRps: Math.round(offeredRps),
      limitShare: 1 - RATE_TOLERANCE,
    });
  const { value: limitShare } = SELF_CHECK_LIMITS.cpuShare;
  const share = (user + system) / (wallS * threads);
  if (share > limitShare)
    findings.push({ code: 'generator-saturated', generator: tool.name, share, limitShare });
  return findings;
}
