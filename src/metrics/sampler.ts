import type { Machine } from '../machine/index.js';
import { sample, type Sample, type Side } from './sample.js';

const EACH_MS = 1_000;

/** Samples one side at both edges of a slice's window and every second between. */
export class WindowSampler implements AsyncDisposable {
  private readonly side: Side;
  private readonly pending: Promise<Sample>[] = [];
  private timer: NodeJS.Timeout | null = null;

  constructor(side: Side) {
    this.side = side;
  }

  open(): void {
    this.take();
    this.timer = setInterval(() => this.take(), EACH_MS);
  }

  close(): void {
    this.stop();
    this.take();
  }

  /** All samples, oldest first. Rejects with the first that failed. */
  samples(): Promise<readonly Sample[]> {
    return Promise.all(this.pending);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await Promise.allSettled(this.pending);
  }

  private take(): void {
    const elapsed = sample(this.side);
    // `samples` reports the error. A slice that fails before that must not end the process.
    elapsed.catch(() => this.stop());
    this.pending.push(elapsed);
  }

  private stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }
}

/** The children of a process: nginx's workers, whose CPU time is the server's. */
export async function childrenOf(machine: Machine, pid: number): Promise<number[]> {
  const path = `/proc/${pid}/task/${pid}/children`;
  const { files } = await machine.readFiles([path]);
  return (files[path] ?? '').split(' ').filter(Boolean).map(Number);
}
