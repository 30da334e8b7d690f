import { LATENCY_KEYS, type LatencyKey, type Summary } from '../schema/index.js';
import type { CellSlices } from './cells.js';
import { toEstimate, meanLogEstimate, ratioEstimate, type LogEstimate } from './estimate.js';
import { seriesOf } from './series.js';
import { pValue } from './verdicts.js';

/** At most this share of sound studies is called untrusted. */
const FALSE_ALARMS = 0.05;

export interface Control {
  readonly control: Summary['control'];
  /** What to say at the top of the summary; null when the control holds. */
  readonly warning: string | null;
}

/**
 * The reference against itself: its second run over its first, in each restart and at each workload and rate. The order
 * in a restart is random, so the true ratio is 1 unless something other than the network decides what is measured.
 *
 * It is not trusted when a ratio differs from 1 beyond the margin and beyond chance (Bonferroni over the quantiles).
 */
export function controlOf(reference: readonly CellSlices[], margin: number): Control {
  const ratios = LATENCY_KEYS.flatMap((key) => selfRatio(reference, key));
  const aa = Object.fromEntries(ratios.map(({ key, estimate }) => [key, toEstimate(estimate, 1)]));
  const judged = ratios.filter(({ key, estimate }) => key !== 'max' && estimate.error !== null);
  const apart = judged.filter(
    ({ estimate }) =>
      Math.abs(estimate.log) > Math.log1p(margin) && pValue(estimate) < FALSE_ALARMS / judged.length,
  );
  const trusted = judged.length === 0 ? null : apart.length === 0;
  return { control: { aa, trusted }, warning: trusted === false ? warn(apart) : null };
}

interface SelfRatio {
  readonly key: LatencyKey;
  readonly estimate: LogEstimate;
}

function selfRatio(reference: readonly CellSlices[], key: LatencyKey): SelfRatio[] {
  const ratios = reference.flatMap((cell) => {
    const estimated = ratioEstimate(
      seriesOf(cell, 'response', 'control'),
      seriesOf(cell, 'response', 'reference'),
      key,
    );
    return 'why' in estimated ? [] : [estimated];
  });
  if (ratios.length === 0) return [];
  const logs = ratios.flatMap((ratio) => ratio.logs);
  const mean = meanLogEstimate(logs, logs.length);
  // Cells of one restart do not tell how far restarts are apart.
  const error = ratios.some((ratio) => ratio.error !== null) ? mean.error : null;
  return [{ key, estimate: { ...mean, error } }];
}

function warn(apart: readonly SelfRatio[]): string {
  const ratios = apart.map(({ key, estimate }) => `${key} ${Math.exp(estimate.log).toFixed(2)} times`);
  return (
    `Two runs of the reference differ (${ratios.join(', ')}) by more than chance and the margin: ` +
    'something other than the network decides what is measured here. Do not trust the ratios. Stop what else runs on ' +
    'the hosts, let `barewire doctor` look for what is not steady (CPU frequency, steal, interrupts), and measure again ' +
    'with more restarts.'
  );
}
