import type { Axis } from './scale.js';

/** Two renderings of each plot: a phone gets one whose text is readable at its width. */
export const SIZES = {
  wide: { width: 1040, half: 510 },
  narrow: { width: 358, half: 358 },
} as const;
export type Size = keyof typeof SIZES;

export const INK = 'var(--ink)';
export const PAGE = 'var(--page)';
export const MUTED = 'var(--muted)';
export const LINE = 'var(--line)';

const text = { color: MUTED, fontSize: 12 };

/** A value axis whose ticks are given: the library's own would be in transformed units. */
export const valueAxis = (axis: Axis, label: (tick: number) => string, more: object = {}): object => ({
  type: 'value',
  min: axis.min,
  max: axis.max,
  axisLine: { show: false },
  axisTick: { show: false, customValues: [...axis.ticks] },
  splitLine: { lineStyle: { color: LINE, width: 1 } },
  axisLabel: {
    ...text,
    customValues: [...axis.ticks],
    formatter: label,
    showMinLabel: true,
    showMaxLabel: true,
  },
  nameTextStyle: text,
  ...more,
});

export const hiddenAxis = (more: object): object => ({
  type: 'value',
  axisLine: { show: false },
  axisTick: { show: false },
  splitLine: { show: false },
  axisLabel: { show: false },
  ...more,
});

/** A tick such as `0.2` or `50` without digits that say nothing. */
export const tickText = (logValue: number): string => {
  const value = 10 ** logValue;
  return String(Number(value.toPrecision(value >= 1000 || value < 1e-3 ? 1 : 3)));
};

/** Pixels that a text of 12 takes at most in the usual fonts: the page's own font is not known here. */
export const textWidth = (text: string): number => text.length * 7.2;
