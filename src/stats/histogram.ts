import { decodeFromCompressedBase64, encodeIntoCompressedBase64, Float64Histogram } from 'hdr-histogram-js';
import { type BarewireError, userError } from '../schema/index.js';

/** Values above are counted as this one: 60 s, far beyond any time-out of a request. */
export const HIGHEST_NS = 6e10;

// The layout is HdrHistogram's own for (lowest 1, highest 6e10, 3 digits), so that its encoding carries each count
// as it is: 2048 cells of 1 ns, then 1024 cells for each further power of two.
const HALF = 1024;
const CELLS = 27 * HALF;
const DIGITS = 3;

/** One cell that has counts: samples between `lowNs` and `highNs`, both included. */
export interface HistogramCell {
  readonly lowNs: number;
  readonly highNs: number;
  readonly count: number;
}

/**
 * Latencies in nanoseconds to three significant digits, 1 ns to 60 s. A value is known by its cell alone, so that a
 * histogram read back from a file says the same as the one that was recorded: quantiles and `max` are the upper end
 * of their cell, `min` the lower end.
 */
export class Histogram {
  /** A flat array: a thread hands it over, and merging adds cell by cell. */
  readonly counts: Float64Array;

  constructor(counts: Float64Array = new Float64Array(CELLS)) {
    if (counts.length !== CELLS) throw damaged(`it has ${counts.length} cells, not ${CELLS}`);
    this.counts = counts;
  }

  /** Negative values count as 0. */
  record(ns: number): void {
    this.counts[cellOf(ns)]! += 1;
  }

  /** Records `values[place]`, and allocates nothing: a fraction as an argument is boxed where V8 does not inline. */
  recordFrom(values: Float64Array, place: number): void {
    const ns = values[place]!;
    this.counts[ns < INT_LIMIT ? cellOf31(ns | 0) : cellOf(ns)]! += 1;
  }

  merge(other: Histogram): void {
    for (let cell = 0; cell < CELLS; cell++) this.counts[cell]! += other.counts[cell]!;
  }

  get count(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  /** 0 when nothing was recorded. */
  get min(): number {
    const cell = this.counts.findIndex((count) => count > 0);
    return cell < 0 ? 0 : lowestOf(cell);
  }

  /** 0 when nothing was recorded. */
  get max(): number {
    const cell = this.counts.findLastIndex((count) => count > 0);
    return cell < 0 ? 0 : highestOf(cell);
  }

  /** The value that a share `q` (0 to 1) of the samples does not exceed: the one of rank ⌈q·n⌉. 0 when empty. */
  quantile(q: number): number {
    const rank = q * this.count;
    // q·n may come out one unit in the last place too high, and must not skip a sample for that.
    return this.valueAtRank(Math.ceil(rank - rank * Number.EPSILON));
  }

  /** The order statistic of a rank from 1 to `count`; ranks outside are taken to the nearer end. 0 when empty. */
  valueAtRank(rank: number): number {
    const wanted = Math.max(rank, 1);
    let seen = 0;
    for (let cell = 0; cell < CELLS; cell++) {
      seen += this.counts[cell]!;
      if (seen >= wanted) return highestOf(cell);
    }
    return this.max;
  }

  /** The cells that have counts, ascending. */
  *cells(): Generator<HistogramCell> {
    for (let cell = 0; cell < CELLS; cell++) {
      const count = this.counts[cell]!;
      if (count > 0) yield { lowNs: lowestOf(cell), highNs: highestOf(cell), count };
    }
  }

  /** HdrHistogram V2, compressed, in base64: what its own tools read. */
  encode(): string {
    const hdr = new Float64Histogram(1, HIGHEST_NS, DIGITS);
    this.counts.forEach((count, cell) => {
      if (count > 0) hdr.setCountAtIndex(cell, count);
    });
    hdr.establishInternalTackingValues();
    return encodeIntoCompressedBase64(hdr);
  }

  /**
   * Reads what `encode` wrote.
   *
   * @throws BarewireError `results-damaged` for anything else, a histogram of another range or precision included.
   */
  static decode(text: string): Histogram {
    const hdr = decodeHdr(text);
    if (
      hdr.lowestDiscernibleValue !== 1 ||
      hdr.countsArrayLength !== CELLS ||
      hdr.numberOfSignificantValueDigits !== DIGITS
    )
      throw damaged('it covers another range, or has another precision, than 1 ns to 60 s to three digits');
    return new Histogram(Float64Array.from({ length: CELLS }, (_, cell) => hdr.getCountAtIndex(cell)));
  }
}

function decodeHdr(text: string): Float64Histogram {
  try {
    const hdr = decodeFromCompressedBase64(text, 64);
    if (hdr instanceof Float64Histogram) return hdr;
  } catch (cause) {
    throw damaged('it cannot be decoded', cause);
  }
  throw damaged('it is of another kind');
}

const damaged = (why: string, cause?: unknown): BarewireError =>
  userError(
    `This is no histogram of Barewire: ${why}`,
    'The file was cut short or changed after it was written; measure that slice again.',
    { code: 'results-damaged', cause },
  );

// Shifts work on 32 bits: a greater value is indexed by its upper part, whose leading bits are the same.
const INT_LIMIT = 0x80000000;
function cellOf(ns: number): number {
  if (ns < INT_LIMIT) return cellOf31(ns | 0);
  return cellOf31((Math.min(ns, HIGHEST_NS) / 0x10000) | 0) + 16 * HALF;
}

function cellOf31(value: number): number {
  if (value < 0) return 0;
  const shift = 21 - Math.clz32(value | HALF);
  return shift * HALF + (value >>> shift);
}

const shiftOf = (cell: number): number => Math.max(Math.floor(cell / HALF) - 1, 0);
const lowestOf = (cell: number): number => (cell - shiftOf(cell) * HALF) * 2 ** shiftOf(cell);
const highestOf = (cell: number): number => lowestOf(cell) + 2 ** shiftOf(cell) - 1;
