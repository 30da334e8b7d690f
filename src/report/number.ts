import type { Estimate } from '../schema/index.js';

/** What stands where there is no figure. Its reason is always beside it. */
export const NO_FIGURE = '–';

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

export const figureText = (figure: Estimate | undefined): string =>
  figure === undefined || figure.value === null ? NO_FIGURE : three(figure.value);

/** `1.22–1.40`, `≥1.22` where only one end is known, or nothing where the figure has no interval. */
export function intervalText(figure: Estimate | undefined): string {
  if (figure === undefined || figure.value === null) return '';
  const { low, high } = figure;
  if (low !== null && high !== null) return `${three(low)}–${three(high)}`;
  if (low !== null) return `≥${three(low)}`;
  return high === null ? '' : `≤${three(high)}`;
}

/** `1.31 (1.22–1.40)`. */
export function withInterval(figure: Estimate | undefined): string {
  const ends = intervalText(figure);
  return ends === '' ? figureText(figure) : `${figureText(figure)} (${ends})`;
}

/** Both ends, for a plot; null where one is not known. */
export function interval(figure: Estimate | undefined): { low: number; high: number } | null {
  if (figure === undefined || figure.value === null) return null;
  return figure.low === null || figure.high === null ? null : { low: figure.low, high: figure.high };
}

/** A value of which nothing says how sure it is. */
export const withoutInterval = (figure: Estimate | undefined): boolean =>
  figure !== undefined && figure.value !== null && figure.low === null && figure.high === null;

export const valueOf = (figure: Estimate | undefined): number | null => figure?.value ?? null;

/** Marks a note: `a`, …, `z`, `aa`. Letters, because a dash before a number would read as a negative one. */
export function letter(note: number): string {
  const rest = Math.floor((note - 1) / 26);
  return (rest > 0 ? letter(rest) : '') + String.fromCharCode(97 + ((note - 1) % 26));
}
