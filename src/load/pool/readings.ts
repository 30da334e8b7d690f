import type { LoadPlan, LoadReading } from '../../schema/index.js';
import { Histogram } from '../../stats/index.js';

/** The counts of a thread's response times in shared memory. Reading them does not delay the thread. */
export type SharedCounts = Float64Array;

/** Reports during a run what was received since the last report. */
export class Readings implements Disposable {
  readonly #plan: LoadPlan;
  readonly #onReading: (reading: LoadReading) => void;
  #threads: readonly SharedCounts[] = [];
  #before = new Histogram();
  #fromMs = 0;
  #openedMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(plan: LoadPlan, onReading: (reading: LoadReading) => void) {
    this.#plan = plan;
    this.#onReading = onReading;
  }

  /** `openedMs` is the opening of the window on the clock of `performance.now()`. */
  schedule(threads: readonly SharedCounts[], openedMs: number): void {
    this.#threads = threads;
    this.#openedMs = openedMs;
    this.#next(1);
  }

  /** Sends the last report. */
  close(): void {
    clearTimeout(this.#timer);
    if (this.#threads.length > 0) this.#read(this.#plan.durationMs);
  }

  #next(place: number): void {
    const { readingMs = Infinity, durationMs } = this.#plan;
    const atMs = place * readingMs;
    if (atMs >= durationMs) return;
    this.#timer = setTimeout(
      () => {
        this.#read(performance.now() - this.#openedMs);
        this.#next(place + 1);
      },
      this.#openedMs + atMs - performance.now(),
    );
  }

  #read(untilMs: number): void {
    const all = new Histogram();
    for (const counts of this.#threads) all.merge(new Histogram(counts));
    const since = new Histogram(all.counts.map((count, cell) => count - this.#before.counts[cell]!));
    this.#onReading({ fromMs: this.#fromMs, untilMs, requests: since.count, response: since.encode() });
    this.#before = all;
    this.#fromMs = untilMs;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
