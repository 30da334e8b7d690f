/** A stream of numbers in [0, 1), determined by its seeds: sfc32, which passes PractRand. */
export class RandomStream {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** `stream` selects one of the streams of a seed. */
  constructor(seed: number, stream: number) {
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 2 ** 32) | 0;
    this.#c = stream | 0;
    for (let round = 0; round < 15; round++) this.next32();
  }

  next32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum;
  }

  /** 53 bits, so that the tail of an exponential gap is not cut off. */
  next(): number {
    return ((this.next32() >>> 5) * 2 ** 26 + (this.next32() >>> 6)) / 2 ** 53;
  }

  /** An integer from 0 to `below` - 1. */
  nextBelow(below: number): number {
    return Math.floor(((this.next32() >>> 0) / 2 ** 32) * below);
  }
}
