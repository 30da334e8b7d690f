import * as z from 'zod';

/** The quantiles of every table and file by name; `max` is the greatest sample. */
export const QUANTILES = {
  p50: 0.5,
  p90: 0.9,
  p95: 0.95,
  p99: 0.99,
  'p99.5': 0.995,
  'p99.9': 0.999,
  'p99.99': 0.9999,
  'p99.999': 0.99999,
} as const;
export type QuantileName = keyof typeof QUANTILES;
export const QUANTILE_NAMES = Object.keys(QUANTILES) as QuantileName[];
export type LatencyKey = QuantileName | 'max';
export const LATENCY_KEYS: readonly LatencyKey[] = [...QUANTILE_NAMES, 'max'];
export const latencyKeySchema = z.enum(LATENCY_KEYS as [LatencyKey, ...LatencyKey[]]);
