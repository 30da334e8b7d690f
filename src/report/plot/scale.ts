/** Ends of an axis and where its labels stand, in the axis' own (transformed) units. */
export interface Axis {
  readonly min: number;
  readonly max: number;
  readonly ticks: readonly number[];
}

const finite = (values: readonly number[]): readonly number[] =>
  values.filter((value) => Number.isFinite(value) && value > 0);

const STEPS: readonly (readonly number[])[] = [[1, 2, 5], [1, 3], [1]];

/** A logarithmic axis of positive figures with labels at 1, 2, 5, 10, … as far as `most` of them allow. */
export function logAxis(values: readonly number[], most: number): Axis {
  const positive = finite(values);
  const low = Math.log10(Math.min(...positive, positive.length === 0 ? 1 : Infinity));
  const high = Math.log10(Math.max(...positive, positive.length === 0 ? 10 : 0));
  const room = Math.max(0.04, (high - low) * 0.04);
  const [min, max] = [low - room, high + room];
  for (const digits of STEPS) {
    const ticks = decades(min, max, digits);
    if (ticks.length >= 2 && ticks.length <= most) return { min, max, ticks };
  }
  return { min, max, ticks: thin(decades(min, max, [1]), most, min, max) };
}

function decades(min: number, max: number, digits: readonly number[]): readonly number[] {
  const found: number[] = [];
  for (let decade = Math.floor(min); decade <= Math.ceil(max); decade++)
    found.push(...digits.map((digit) => decade + Math.log10(digit)));
  return found.filter((tick) => tick >= min && tick <= max);
}

/** Every so many of too many; the ends themselves where a span is too small for one round figure. */
function thin(ticks: readonly number[], most: number, min: number, max: number): readonly number[] {
  if (ticks.length < 2) return [min, (min + max) / 2, max];
  const every = Math.ceil(ticks.length / most);
  return ticks.filter((_, index) => index % every === 0);
}

const RATIO_STEPS: readonly (readonly number[])[] = [
  [0.9, 0.92, 0.94, 0.96, 0.98, 1, 1.02, 1.04, 1.06, 1.08, 1.1],
  [0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.15, 1.2, 1.25],
  [0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6],
  [0.5, 0.6, 0.8, 1, 1.25, 1.5, 1.75, 2],
  [0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3],
  [0.2, 0.5, 1, 2, 3, 5],
  [0.1, 0.2, 0.5, 1, 2, 5, 10],
  [0.1, 0.3, 1, 3, 10, 30],
  [0.01, 0.1, 1, 10, 100],
];

/** A logarithmic axis of ratios that always shows 1. */
export function ratioAxis(values: readonly number[], most: number): Axis {
  const positive = finite([...values, 0.97, 1.03]);
  const low = Math.log10(Math.min(...positive));
  const high = Math.log10(Math.max(...positive));
  const room = (high - low) * 0.06;
  const [min, max] = [low - room, high + room];
  const margin = (max - min) * 0.2;
  for (const steps of RATIO_STEPS) {
    const logs = steps.map(Math.log10);
    const covers = (logs[0] ?? 0) <= min + margin && (logs.at(-1) ?? 0) >= max - margin;
    const ticks = logs.filter((tick) => tick >= min && tick <= max);
    if (covers && ticks.length <= most) return { min, max, ticks };
  }
  return { min, max, ticks: withOne(decades(min, max, [1]), most) };
}

function withOne(ticks: readonly number[], most: number): readonly number[] {
  const every = Math.max(1, Math.ceil(ticks.length / most));
  return ticks.filter((tick) => Math.round(tick) % every === 0);
}
