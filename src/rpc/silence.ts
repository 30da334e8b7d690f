import type { Heartbeat } from './protocol.js';

/** Notices that a peer is silent for longer than a limit. */
export class SilenceWatch {
  #timer: NodeJS.Timeout | undefined;
  #heardMs = performance.now();

  /** A line has arrived. */
  heard(): void {
    this.#heardMs = performance.now();
  }

  /** Calls `onSilent` once with the length of the silence, and until then `onAlive` in every interval. */
  start(
    { intervalMs, limitMs }: Heartbeat,
    onSilent: (silentMs: number) => void,
    onAlive: () => void = () => undefined,
  ): void {
    this.heard();
    let checkedMs = this.#heardMs;
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      // A pause of this process is not the peer's silence.
      if (nowMs - checkedMs > 2 * intervalMs) this.#heardMs = nowMs;
      checkedMs = nowMs;
      const silentMs = nowMs - this.#heardMs;
      if (silentMs < limitMs) {
        onAlive();
        return;
      }
      this.stop();
      onSilent(silentMs);
    }, intervalMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
