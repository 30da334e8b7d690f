import type { Pacer } from './pacer.js';
import { Ring } from './ring.js';

/** Closed loop: a connection sends as soon as it is free, and that moment is the intended time. */
export class ClosedPacer implements Pacer {
  readonly dueNs = Infinity;
  intendedNs = 0;
  readonly #free: Ring;
  readonly #isFree: Uint8Array;
  readonly #untilNs: number;

  constructor(connections: number, untilNs: number) {
    this.#free = new Ring(connections);
    this.#isFree = new Uint8Array(connections);
    this.#untilNs = untilNs;
  }

  free(c: number): void {
    this.#isFree[c] = 1;
    this.#free.push(c);
  }

  lose(c: number): void {
    this.#isFree[c] = 0;
  }

  next(nowNs: number): number {
    if (nowNs >= this.#untilNs) return -1;
    this.intendedNs = nowNs;
    while (this.#free.length > 0) {
      const c = this.#free.shift();
      if (this.#isFree[c] === 0) continue;
      this.#isFree[c] = 0;
      return c;
    }
    return -1;
  }

  takeOwed(): boolean {
    return false;
  }

  backlog(): boolean {
    return false;
  }
}
