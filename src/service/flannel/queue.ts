/** Runs work one after the other. */
export class Queue {
  #last: Promise<unknown> = Promise.resolve();

  /** An aborted wait rejects at once. Work that has begun ends by the signal itself. */
  run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const result = this.#last.then(() => {
      signal.throwIfAborted();
      return work();
    });
    this.#last = result.catch(() => undefined);
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(signal.reason as Error);
      signal.addEventListener('abort', abort, { once: true });
      result.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    });
  }

  /** Resolves when nothing is running. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
