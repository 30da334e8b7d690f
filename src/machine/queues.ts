/** Runs work one at a time, in the order of the calls. */
export class SerialQueue {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs the work when all earlier work has ended, successfully or not. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/** Lines that were received but not read, and readers that wait for one. */
export class LineQueue {
  readonly #lines: string[] = [];
  readonly #readers: ((line: string | null) => void)[] = [];
  #ended = false;

  push(line: string): void {
    const reader = this.#readers.shift();
    if (reader === undefined) this.#lines.push(line);
    else reader(line);
  }

  end(): void {
    this.#ended = true;
    for (const reader of this.#readers.splice(0)) reader(null);
  }

  /** The next line; null at the end. Rejects with the signal's reason when that comes first. */
  read(signal?: AbortSignal): Promise<string | null> {
    const line = this.#lines.shift();
    if (line !== undefined) return Promise.resolve(line);
    if (this.#ended) return Promise.resolve(null);
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#readers.splice(this.#readers.indexOf(reader), 1);
        reject(signal?.reason as Error);
      };
      const reader = (next: string | null): void => {
        signal?.removeEventListener('abort', abort);
        resolve(next);
      };
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      signal?.addEventListener('abort', abort, { once: true });
      this.#readers.push(reader);
    });
  }
}
