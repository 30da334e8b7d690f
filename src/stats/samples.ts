import type { Histogram, HistogramCell } from './histogram.js';

/**
 * The latencies of some slices as order statistics. Requests without a response rank after all others, as infinitely late:
 * omitting them would make a server that drops its slowest requests look fast.
 */
export class Samples {
  readonly answered: number;
  /** With a response or not; never less than `answered`. */
  readonly intended: number;
  /** Ascending. */
  readonly #cells: readonly HistogramCell[];
  /** Samples up to and including the cell. */
  readonly #upTo: Float64Array;

  private constructor(cells: readonly HistogramCell[], intended: number) {
    this.#cells = cells;
    this.#upTo = new Float64Array(cells.length);
    let seen = 0;
    cells.forEach((cell, index) => (this.#upTo[index] = seen += cell.count));
    this.answered = seen;
    this.intended = Math.max(intended, seen);
  }

  static from(histogram: Histogram, intended: number): Samples {
    return new Samples([...histogram.cells()], intended);
  }

  static pool(parts: readonly Samples[]): Samples {
    const [first] = parts;
    if (first !== undefined && parts.length === 1) return first;
    const intended = parts.reduce((sum, part) => sum + part.intended, 0);
    return new Samples(merged(parts.flatMap((part) => part.#cells)), intended);
  }

  /** The upper end of the greatest sample's cell; 0 when there is none. */
  get maxNs(): number {
    return this.#cells.at(-1)?.highNs ?? 0;
  }

  /** The number of samples below a cell plus half of those in it. */
  countUpToMiddleOf({ lowNs, highNs }: HistogramCell): number {
    const upTo = (limitNs: number): number =>
      this.#upTo[this.#cells.findLastIndex((cell) => cell.highNs <= limitNs)] ?? 0;
    return (upTo(lowNs - 1) + upTo(highNs)) / 2;
  }

  /** The cell of the sample of a rank from 1 to `intended`; null when that request has no response. */
  atRank(rank: number): HistogramCell | null {
    let low = 0;
    let high = this.#cells.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#upTo[middle]! < rank) low = middle + 1;
      else high = middle;
    }
    return this.#cells[low] ?? null;
  }
}

function merged(cells: readonly HistogramCell[]): HistogramCell[] {
  const sums = new Map<number, { lowNs: number; highNs: number; count: number }>();
  for (const { lowNs, highNs, count } of cells) {
    const sum = sums.get(lowNs);
    if (sum === undefined) sums.set(lowNs, { lowNs, highNs, count });
    else sum.count += count;
  }
  return [...sums.values()].sort((a, b) => a.lowNs - b.lowNs);
}
