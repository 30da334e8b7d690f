import { BarewireError, messageOf } from '../schema/index.js';
import type { NodeEvent } from './node-types.js';

const KEPT_ERRORS = 10;

/** The last errors of an agent, for `barewire node status`. */
export class ErrorLog {
  readonly #report: (event: NodeEvent) => void;
  #last: readonly string[] = [];

  constructor(report: (event: NodeEvent) => void) {
    this.#report = report;
  }

  /** Each with its time. */
  get last(): readonly string[] {
    return this.#last;
  }

  note(error: unknown): void {
    const text = messageOf(error);
    this.#last = [...this.#last, `${new Date().toISOString()} ${text}`].slice(-KEPT_ERRORS);
    if (error instanceof BarewireError) this.#report({ kind: 'failed', error });
  }

  /** A check that fails is repeated: its error is kept. */
  async noting(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      // etcd is away, which the leases report.
      const isTimeout = error instanceof Error && /^(?:Abort|Timeout)Error$/.test(error.name);
      if (!isTimeout) this.note(error);
    }
  }
}
