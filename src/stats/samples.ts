import { Histogram, type HistogramCell } from './histogram.js';

/**
 * The latencies of some trials as order statistics. Requests without an answer come after all others, infinitely late:
 * leaving them out would make a server that drops its slowest requests look fast.
 */
export class Samples {
  readonly histogram: Histogram;
  readonly answered: number;
  /** Answered or not; never less than answered. */
  readonly intended: number;
  readonly #cells: readonly HistogramCell[];
  /** Samples up to and with the cell. */
  readonly #upTo: Float64Array;

  constructor(histogram: Histogram, intended: number) {
    this.histogram = histogram;
    this.#cells = [...histogram.cells()];
    this.#upTo = new Float64Array(this.#cells.length);
    let seen = 0;
    this.#cells.forEach((cell, index) => (this.#upTo[index] = seen += cell.count));
    this.answered = seen;
    this.intended = Math.max(intended, seen);
  }

  static pool(parts: readonly Samples[]): Samples {
    const histogram = new Histogram();
    for (const part of parts) histogram.merge(part.histogram);
    return new Samples(
      histogram,
      parts.reduce((sum, part) => sum + part.intended, 0),
    );
  }

  get unanswered(): number {
    return this.intended - this.answered;
  }

  get maxNs(): number {
    return this.#cells.at(-1)?.highNs ?? 0;
  }

  get minNs(): number {
    return this.#cells[0]?.lowNs ?? 0;
  }

  /** How many samples are not above the upper end of a cell. */
  countUpTo(highNs: number): number {
    const at = this.#cells.findLastIndex((cell) => cell.highNs <= highNs);
    return this.#upTo[at] ?? 0;
  }

  /** The cell of the sample of this rank, 1…intended; null when that request has no answer. */
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
