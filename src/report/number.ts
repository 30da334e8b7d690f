import type { Estimate } from '../schema/index.js';

/** Shown for a missing value; a note explains it. */
export const NO_VALUE = '–';

/** Three significant digits with a comma at the thousands: `0.163`, `12.3`, `81,000`. */
export function three(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-6 || size >= 1e12) return value.toExponential(2);
  const rounded = Number(value.toPrecision(3));
  if (Math.abs(rounded) >= 1000) return whole(rounded);
  return rounded.toPrecision(3).includes('e') ? String(rounded) : rounded.toPrecision(3);
}

/** A count with a comma at the thousands. */
export const whole = (value: number): string =>
  Math.abs(value) >= 1e15 ? value.toExponential(2) : value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ',');

/** `25 %`, `71.2 %`. */
export const percent = (share: number): string => `${String(Number((share * 100).toPrecision(3)))} %`;

/** `4 min 10 s` rather than 250 s. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${three(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes >= 60) return `${whole(Math.floor(minutes / 60))} h ${minutes % 60} min`;
  return `${minutes} min ${Math.floor(seconds % 60)} s`;
}

/** `1.22–1.40`, `≥1.22` where one end is unknown, empty without an interval. */
export function intervalText(estimate: Estimate | undefined): string {
  if (estimate === undefined || estimate.value === null) return '';
  const { low, high } = estimate;
  if (low !== null && high !== null) return `${three(low)}–${three(high)}`;
  if (low !== null) return `≥${three(low)}`;
  return high === null ? '' : `≤${three(high)}`;
}

/** `1.31 (1.22–1.40)`. */
export function withInterval(estimate: Estimate | undefined): string {
  if (estimate === undefined || estimate.value === null) return NO_VALUE;
  const ends = intervalText(estimate);
  return ends === '' ? three(estimate.value) : `${three(estimate.value)} (${ends})`;
}

/** Marks a note: `a`, …, `z`, `aa`. Letters, because a dash before a number would read as a negative one. */
export function letter(index: number): string {
  const rest = Math.floor(index / 26);
  return (rest > 0 ? letter(rest - 1) : '') + String.fromCharCode(97 + (index % 26));
}
