import { BarewireError } from '../../schema/index.js';
import { Backoff } from '../etcd/backoff.js';
import type { LeaseEvent } from './lease-event.js';

/** Reports when etcd is lost and when it is back, once each. */
export class ConnectionState {
  readonly #report: (event: LeaseEvent) => void;
  #isConnected = true;

  constructor(report: (event: LeaseEvent) => void) {
    this.#report = report;
  }

  answered(): void {
    if (!this.#isConnected) this.#report({ kind: 'connected' });
    this.#isConnected = true;
  }

  failed(error: BarewireError): void {
    if (error.code !== 'etcd-unreachable') {
      this.#report({ kind: 'failed', error });
      return;
    }
    if (this.#isConnected) this.#report({ kind: 'disconnected', error });
    this.#isConnected = false;
  }

  /** Repeats what etcd does not answer. */
  async patiently<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    const backoff = new Backoff();
    for (;;) {
      try {
        const result = await work(signal);
        this.answered();
        return result;
      } catch (error) {
        if (!(error instanceof BarewireError && error.code === 'etcd-unreachable')) throw error;
        this.failed(error);
        await backoff.wait(signal);
      }
    }
  }
}
