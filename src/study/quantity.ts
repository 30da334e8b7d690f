import type { Rate } from '../schema/index.js';

/** Splits a number with a unit; null for any other text. */
const split = (text: string): { readonly number: number; readonly unit: string } | null => {
  const match = /^(\d+(?:[._]?\d+)*(?:e\d+)?)\s*([a-zA-Z%/]*)$/.exec(text.trim());
  return match === null
    ? null
    : { number: Number((match[1] ?? '').replaceAll('_', '')), unit: match[2] ?? '' };
};

const DURATIONS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
};

/** Parses `3`, `3s`, `250ms`, `2m` to milliseconds (a bare number is seconds); null for any other text. */
export function parseDurationMs(value: string | number): number | null {
  const parts = split(String(value));
  const unit = parts?.unit === '' ? 's' : parts?.unit;
  const factor = unit === undefined ? undefined : DURATIONS_MS[unit];
  return parts === null || factor === undefined ? null : parts.number * factor;
}

const THOUSANDS: Readonly<Record<string, number>> = { '': 1, k: 1_000, K: 1_000, M: 1_000_000 };

/**
 * Parses `30%` to a share of the reference's maximum, and `50000`, `50k`, `0.5M`, `50k/s` to requests per
 * second; null for any other text.
 */
export function parseRate(value: string | number): Rate | null {
  const parts = split(String(value));
  if (parts === null || !(parts.number > 0)) return null;
  if (parts.unit === '%') return parts.number > 200 ? null : { kind: 'share', ofMax: parts.number / 100 };
  const factor = THOUSANDS[parts.unit.replace(/(rps|\/s)$/, '')];
  if (factor === undefined || parts.number * factor > MOST_RPS) return null;
  return { kind: 'absolute', rps: parts.number * factor };
}

/** No generator on one machine reaches it: the unit is wrong. */
const MOST_RPS = 100_000_000;
