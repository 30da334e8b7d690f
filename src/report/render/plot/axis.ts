import { scaleLinear, scaleLog } from 'd3-scale';
import { html, type Markup } from '../markup.js';

/** Each plot is drawn twice: the narrow one has text that is readable on a phone. */
export const SIZES = {
  wide: { width: 1040, half: 510 },
  narrow: { width: 358, half: 358 },
} as const;
export type Size = keyof typeof SIZES;

/** An axis over pixels, with the ticks that fit. */
export interface Axis {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** The span from which values are drawn on a logarithmic axis, so that one outlier does not flatten the rest. */
const LOG_SPAN = 10;

/** A linear axis from 0, or a logarithmic one where the values span more than a decade. */
export function valueAxis(
  values: readonly number[],
  range: readonly [number, number],
  maxTicks: number,
): Axis {
  const positive = values.filter((value) => Number.isFinite(value) && value > 0);
  const [low, high] = [Math.min(...positive), Math.max(...positive)];
  if (positive.length > 0 && high / low > LOG_SPAN) return logAxis(positive, range, maxTicks);
  const scale = scaleLinear()
    .domain([0, Math.max(high, 1e-6)])
    .nice(maxTicks)
    .range(range);
  return { at: scale, ticks: scale.ticks(maxTicks) };
}

/** A logarithmic axis of positive values with ticks at 1, 2, 5 per decade as far as they fit. */
export function logAxis(values: readonly number[], range: readonly [number, number], maxTicks: number): Axis {
  const positive = values.filter((value) => Number.isFinite(value) && value > 0);
  const low = positive.length === 0 ? 1 : Math.min(...positive);
  const high = positive.length === 0 ? 10 : Math.max(...positive);
  const margin = Math.max(1.04, (high / low) ** 0.04);
  const domain = [low / margin, high * margin] as const;
  const scale = scaleLog().domain(domain).range(range);
  return { at: scale, ticks: pickTicks(domain, maxTicks) };
}

const DIGITS: readonly (readonly number[])[] = [[1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]];

function pickTicks([min, max]: readonly [number, number], maxTicks: number): readonly number[] {
  for (const digits of DIGITS) {
    const ticks = ticksPerDecade(min, max, digits);
    if (ticks.length >= 2 && ticks.length <= maxTicks) return ticks;
  }
  const decades = ticksPerDecade(min, max, [1]);
  const every = Math.ceil(decades.length / maxTicks);
  return decades.length < 2
    ? scaleLinear().domain([min, max]).ticks(Math.min(4, maxTicks))
    : decades.filter((_, index) => index % every === 0);
}

function ticksPerDecade(min: number, max: number, digits: readonly number[]): number[] {
  const first = Math.floor(Math.log10(min));
  const last = Math.ceil(Math.log10(max));
  return Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index))
    .flatMap((decade) => digits.map((digit) => digit * decade))
    .filter((tick) => tick >= min && tick <= max);
}

/** `0.2`, `50`, `120k`. */
export function tickText(value: number): string {
  if (Math.abs(value) >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (Math.abs(value) >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  return String(Number(value.toPrecision(3)));
}

/** Pixels that a text of 12 px takes at most in common fonts. */
export const textWidth = (text: string): number => text.length * 7.2;

/** Vertical grid lines with their labels below, and the name of the axis. */
export function horizontalAxis(
  { at, ticks }: Axis,
  { top, bottom }: { readonly top: number; readonly bottom: number },
  name: string,
  middle: number,
  label: (tick: number) => string = tickText,
): Markup {
  return html`<g class="axis">
    ${ticks.map((tick) => html`<path d="M${round(at(tick))} ${top}V${bottom}" /><text x="${round(at(tick))}" y="${bottom + 16}" text-anchor="middle">${label(tick)}</text>`)}
    <text x="${round(middle)}" y="${bottom + 34}" text-anchor="middle">${name}</text>
  </g>`;
}

export const round = (value: number): number => Math.round(value * 10) / 10;

/** An SVG with its text alternative; sizes in pixels of its view box. */
export const svg = (
  {
    id,
    title,
    description,
    width,
    height,
  }: {
    readonly id: string;
    readonly title: string;
    readonly description: string;
    readonly width: number;
    readonly height: number;
  },
  content: readonly Markup[],
): Markup =>
  html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="${id}-t ${id}-d">
    <title id="${id}-t">${title}</title>
    <desc id="${id}-d">${description}</desc>
    ${content}
  </svg>`;
