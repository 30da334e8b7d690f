import { Histogram } from '../stats/index.js';
import type { OnStudyEvent } from './progress.js';
import type { ResultsDirectory } from './results.js';
import type { SliceOutcome } from './slice.js';

/** Appends records while the next slice warms up: syncing them takes longer than everything else between two slices. */
export class SliceWriter implements AsyncDisposable {
  readonly #directory: ResultsDirectory;
  readonly #onEvent: OnStudyEvent;
  #last = Promise.resolve();

  constructor(directory: ResultsDirectory, onEvent: OnStudyEvent) {
    this.#directory = directory;
    this.#onEvent = onEvent;
  }

  /** Waits for the slice before this one. @throws BarewireError `disk` of that one */
  async write(outcome: SliceOutcome): Promise<void> {
    await this.#last;
    this.#last = this.#append(outcome);
    // It is reported by the next call.
    this.#last.catch(() => undefined);
  }

  /** @throws BarewireError `disk` */
  async written(): Promise<void> {
    await this.#last;
  }

  async #append({ record, histograms }: SliceOutcome): Promise<void> {
    // The request of the next slice is sent first.
    await new Promise(setImmediate);
    const decoded =
      histograms === null
        ? null
        : { response: Histogram.decode(histograms.response), service: Histogram.decode(histograms.service) };
    await this.#directory.append(
      record,
      histograms === null || decoded === null ? null : { encoded: histograms, decoded },
    );
    const p99Ms =
      decoded === null || decoded.response.count === 0 ? null : decoded.response.quantile(0.99) / 1e6;
    this.#onEvent({ kind: 'slice-ended', record, p99Ms });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last.catch(() => undefined);
  }
}
