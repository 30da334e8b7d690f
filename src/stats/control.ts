import { LATENCY_KEYS, type Finding, type LatencyKey, type Summary } from '../schema/index.js';
import type { CellSlices } from './cells.js';
import { estimateClustered, type LogEstimate, type RoundLog } from './clustered.js';
import { buildSeries, estimateLogRatio, toEstimate } from './log-estimate.js';
import type { Margins } from './reference-ratios.js';
import { pValue } from './verdicts.js';

/** At most this share of sound studies fails the control. */
const FALSE_ALARM_RATE = 0.05;

export interface ControlResult {
  readonly control: Summary['control'];
  /** Null when the control passed or could not be judged. */
  readonly finding: Finding | null;
}

/** Deeper quantiles of a slice are a few requests, whose spread says nothing about the set-ups. */
const JUDGED: readonly LatencyKey[] = ['p50', 'p90', 'p99'];

/**
 * The A/A control: the second set-up of the reference over its first, in each round and at each workload and rate. Order within
 * a round is random, so the true ratio is 1 unless something other than the network determines the results. The control fails
 * when a ratio differs from 1 by more than the margin and more than chance (Bonferroni over the quantiles).
 */
export function evaluateControl(reference: readonly CellSlices[], margins: Margins): ControlResult {
  const ratios = LATENCY_KEYS.flatMap((key) => {
    const estimate = estimateControlRatio(reference, key);
    return estimate === null ? [] : [{ key, estimate }];
  });
  const aa = Object.fromEntries(ratios.map(({ key, estimate }) => [key, toEstimate(estimate, 1)]));
  const judged = ratios.filter(({ key, estimate }) => JUDGED.includes(key) && estimate.error !== null);
  const apart = judged.filter(
    ({ key, estimate }) =>
      Math.abs(estimate.log) > Math.log1p(key === 'p99' ? margins.tailMargin : margins.margin) &&
      pValue(estimate) < FALSE_ALARM_RATE / judged.length,
  );
  const trusted = judged.length === 0 ? null : apart.length === 0;
  const differing = apart.map(({ key, estimate }) => ({ key, ratio: Math.exp(estimate.log) }));
  return {
    control: { aa, trusted },
    finding: trusted === false ? { code: 'control-failed', ratios: differing } : null,
  };
}

function estimateControlRatio(reference: readonly CellSlices[], key: LatencyKey): LogEstimate | null {
  const ratios = reference.flatMap((cell) => {
    const [control, first] = [
      buildSeries(cell, 'response', 'control'),
      buildSeries(cell, 'response', 'reference'),
    ];
    const estimate = estimateLogRatio(control, first, key);
    return 'finding' in estimate ? [] : [estimate];
  });
  if (ratios.length === 0) return null;
  // The rates of one round share what slows that round, so they count as one value.
  const rounds = new Map<string, RoundLog[]>();
  for (const value of ratios.flatMap(({ logs }) => logs)) {
    const round = `${value.restart}/${value.round}`;
    rounds.set(round, [...(rounds.get(round) ?? []), value]);
  }
  return estimateClustered(
    [...rounds.values()].map((values) => ({
      ...values[0]!,
      log: values.reduce((sum, { log }) => sum + log, 0) / values.length,
    })),
  );
}
