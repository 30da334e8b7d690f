import { setTimeout as sleep } from 'node:timers/promises';

/** Growing pauses between attempts, spread so that many nodes do not retry together. */
export class Backoff {
  readonly #firstMs: number;
  readonly #longestMs: number;
  #pauseMs: number;
  #waitedMs = -Infinity;

  /** Begins anew after the longest pause without a wait. */
  constructor(firstMs = 50, longestMs = 2_000) {
    this.#firstMs = firstMs;
    this.#longestMs = longestMs;
    this.#pauseMs = firstMs;
  }

  reset(): void {
    this.#pauseMs = this.#firstMs;
  }

  async wait(signal: AbortSignal): Promise<void> {
    if (performance.now() - this.#waitedMs > this.#longestMs) this.reset();
    const ms = this.#pauseMs * (0.5 + Math.random() / 2);
    this.#pauseMs = Math.min(this.#pauseMs * 2, this.#longestMs);
    await sleep(ms, undefined, { signal });
    this.#waitedMs = performance.now();
  }
}
