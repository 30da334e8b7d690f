/** A drift is a trend that chance makes once in a hundred runs (Mann-Kendall), and of more than a limit over the run (Theil-Sen). */
const CHANCE = 0.01;

/**
 * One line: whether readings at equal intervals drift, up or in either direction, by more than `limit` over the run. The second half decides:
 * heaps and caches fill in the first, and a leak goes on.
 */
export function judgeTrend(
  what: string,
  values: readonly number[],
  limit: number,
  say: (change: number) => string,
  direction: 'up' | 'both',
): string {
  const settled = values.slice(values.length >> 1);
  const change = theilSen(settled) * (values.length - 1);
  const p = mannKendall(settled);
  const size = direction === 'up' ? change : Math.abs(change);
  const drifts = p < CHANCE && size > limit;
  const filled = (settled[0] ?? NaN) - (values[0] ?? NaN);
  const facts = `${say(change)} over the run at the pace of its second half (limit ${say(limit)}, p = ${p.toPrecision(2)}), ${say(filled)} in the first half`;
  return `${drifts ? 'NOT STEADY' : 'steady'}: ${what}: ${facts}`;
}

const pairs = (values: readonly number[]): (readonly [number, number, number])[] =>
  values.flatMap((early, at) =>
    values.slice(at + 1).map((late, between) => [early, late, between + 1] as const),
  );

/** The median of the slopes between any two readings: one that is far off does not move it. */
function theilSen(values: readonly number[]): number {
  const slopes = pairs(values).map(([early, late, apart]) => (late - early) / apart);
  return slopes.toSorted((a, b) => a - b)[slopes.length >> 1] ?? NaN;
}

/** How likely chance makes such a trend, up or down, by the normal approximation, which is good from ten readings. */
function mannKendall(values: readonly number[]): number {
  const n = values.length;
  const sum = pairs(values).reduce((score, [early, late]) => score + Math.sign(late - early), 0);
  const ties = [...new Set(values)].map((value) => values.filter((other) => other === value).length);
  const free = (m: number): number => m * (m - 1) * (2 * m + 5);
  const variance = (free(n) - ties.reduce((all, t) => all + free(t), 0)) / 18;
  if (sum === 0 || variance <= 0) return 1;
  return 2 * (1 - normalShare((Math.abs(sum) - 1) / Math.sqrt(variance)));
}

/** The share of a standard normal below z ≥ 0, to 7.5e-8 (Abramowitz and Stegun 26.2.17). */
function normalShare(z: number): number {
  const t = 1 / (1 + 0.2316419 * z);
  const terms = [0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429];
  const polynomial = terms.reduceRight((sum, term) => (sum + term) * t, 0);
  return 1 - (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * polynomial;
}
