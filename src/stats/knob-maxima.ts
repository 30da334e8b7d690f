import {
  networkOfArm,
  type AblationEffect,
  type KnobMaximum,
  type NetworkSummary,
  type StudyTuning,
  type WorkloadName,
} from '../schema/index.js';
import { judgeRatios } from './compared-cells.js';
import { negate, subtract, toLog } from './compared-maxima.js';
import type { LogEstimate } from './clustered.js';
import type { LogEstimateOrFinding } from './log-estimate.js';

type Arm = Pick<NetworkSummary, 'name' | 'maxRpsByWorkload'>;

/**
 * What each knob does to the maximum: with it over without it. More is better, so `better` is more. All are one family of comparisons;
 * the maxima of the arms count as independent.
 */
export function estimateKnobMaxima(
  arms: readonly Arm[],
  { ablation, arms: knobs }: StudyTuning,
  workloads: readonly WorkloadName[],
  margin: number,
): KnobMaximum[] {
  const compared = workloads.flatMap((workload) =>
    (ablation?.effects ?? []).flatMap((effect) => {
      const [having, lacking] = sidesOf(effect, arms, knobs).map((side) => averageLog(side, workload));
      return having == null || lacking == null
        ? []
        : [{ arm: effect.arm, workload, change: subtract(having, lacking) }];
    }),
  );
  const judged = judgeRatios(
    compared.map(({ change }) => change),
    compared.map(({ change }) => negate(change)),
    margin,
  );
  return compared.map(({ arm, workload }, index) => {
    const { ratio, verdict } = judged[index]!;
    // More slices of a search, not more restarts, would decide it.
    return { arm, workload, ratio, verdict: verdict && { ...verdict, restartsNeeded: null } };
  });
}

/** The arms with the knob, and those without it. */
function sidesOf(
  { kind, knob, network, arm, against }: AblationEffect,
  arms: readonly Arm[],
  knobs: StudyTuning['arms'],
): readonly (readonly Arm[])[] {
  const named = (name: string): readonly Arm[] => arms.filter((one) => one.name === name);
  if (kind === 'left-out') return [named(against), named(arm)];
  if (kind !== 'main') return [named(arm), named(against)];
  const own = arms.filter(({ name }) => networkOfArm(name) === network && name in knobs);
  const has = ({ name }: Arm): boolean => knobs[name]?.[knob] !== undefined;
  return [own.filter(has), own.filter((one) => !has(one))];
}

/** The mean of ln of the maxima; null where an arm has none. */
function averageLog(arms: readonly Arm[], workload: WorkloadName): LogEstimateOrFinding | null {
  const logs: LogEstimate[] = [];
  for (const { maxRpsByWorkload } of arms) {
    const maximum = maxRpsByWorkload?.[workload];
    if (maximum === undefined) return null;
    const log = toLog(maximum);
    if ('finding' in log) return log;
    logs.push(log);
  }
  const [first] = logs;
  if (first === undefined) return null;
  return {
    ...first,
    log: logs.reduce((sum, { log }) => sum + log, 0) / logs.length,
    error: Math.hypot(...logs.map(({ error }) => error ?? 0)) / logs.length,
  };
}
