import type { Refusal } from './summary.js';

/** Figures that stand by themselves, and ranges of them: not those of a name such as p99.9 or r1-02. */
const FIGURES = /(?<![\w.,-])\d+(?:,\d{3})*(?:\.\d+)?(?:–\d+(?:,\d{3})*(?:\.\d+)?)?(?!\w|[.,-]\w)/g;

/** What texts have in common when only their figures differ. */
export const withoutFigures = (text: string): string => text.replace(FIGURES, '#');

/**
 * Texts that differ in their figures alone as one, with the least and the greatest of each: `stood still 12 times` and
 * `stood still 30 times` are `stood still 12–30 times`. The figures keep the digits that they were given.
 */
export function asOne(texts: readonly [string, ...string[]]): string {
  const figures = texts.map((text) => text.match(FIGURES) ?? []);
  let at = 0;
  return texts[0].replace(FIGURES, () => {
    const place = at++;
    return range(figures.flatMap((all) => all[place]?.split('–') ?? []));
  });
}

function range(figures: readonly string[]): string {
  const sorted = figures.toSorted((a, b) => numberOf(a) - numberOf(b));
  const [low, high] = [sorted[0] ?? '', sorted.at(-1) ?? ''];
  return numberOf(low) === numberOf(high) ? low : `${low}–${high}`;
}

const numberOf = (figure: string): number => Number(figure.replaceAll(',', ''));

const NAMED = 3;

/** What was refused, each reason once, with the first places that it holds for. */
export function refusalTexts(refused: readonly Refusal[]): string[] {
  const places = new Map<string, string[]>();
  for (const { file, why } of refused) places.set(why, [...(places.get(why) ?? []), file]);
  return [...places].map(([why, files]) => {
    const more = files.length > NAMED ? `; and ${files.length - NAMED} more` : '';
    return `${files.slice(0, NAMED).join('; ')}${more}: ${why}`;
  });
}
