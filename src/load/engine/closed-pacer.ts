import type { Pacer } from './pacer.js';
import { Ring } from './queues.js';
import type { Times } from './times.js';

/** Closed loop: a connection sends as soon as it is free. That moment is the intended time. */
export class ClosedPacer implements Pacer {
  readonly dueNs = Infinity;
  readonly #free: Ring;
  readonly #isFree: Uint8Array;
  readonly #untilNs: number;
  readonly #times: Times;

  constructor(connections: number, untilNs: number, times: Times) {
    this.#free = new Ring(connections);
    this.#isFree = new Uint8Array(connections);
    this.#untilNs = untilNs;
    this.#times = times;
  }

  free(c: number): void {
    this.#isFree[c] = 1;
    this.#free.push(c);
  }

  block(c: number): void {
    this.#isFree[c] = 0;
  }

  next(): number {
    while (this.#free.length > 0 && this.#times.now.ns < this.#untilNs) {
      const c = this.#free.shift();
      if (this.#isFree[c] === 0) continue;
      this.#isFree[c] = 0;
      this.#times.intendedNs[c] = this.#times.now.ns;
      return c;
    }
    return -1;
  }

  takeOwed(): boolean {
    return false;
  }

  hasBacklog(): boolean {
    return false;
  }
}
