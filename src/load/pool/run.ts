import { MonotonicClock, monotonicEpochS } from '../../linux/index.js';
import type { LoadPlan, LoadReading, LoadResult } from '../../schema/index.js';
import type { WorkerPool } from './crew.js';
import { interrupted } from '../errors.js';
import { Readings } from './readings.js';
import { mergeTallies, resultOf } from '../result.js';
import { PoolRun } from './team.js';

export interface PoolRunOptions {
  /** Stops the run within some milliseconds; it then rejects with `interrupted`. */
  readonly signal?: AbortSignal | undefined;
  /** Called when the recorded window opens and when it closes, to the millisecond. */
  readonly onWindow?: ((edge: 'open' | 'close') => void) | undefined;
  /** Called so often as the plan's `readingMs` says, and at the end. */
  readonly onReading?: ((reading: LoadReading) => void) | undefined;
  /** The namespace that it is made from, by name; null, the default, is this process's own. */
  readonly netns?: string | null | undefined;
  /** Whether the threads spin, when that is not to follow from the CPUs that they have. */
  readonly spins?: boolean | undefined;
}

/** From the word to start until the first request may be due: each thread has to wake up first. */
const HEAD_START_NS = 3e6;

/** Loads a target with threads that are kept; throws as `runLoad` does. */
export async function runInPool(
  crew: WorkerPool,
  plan: LoadPlan,
  { signal, onWindow, onReading, netns = null, spins }: PoolRunOptions,
): Promise<LoadResult> {
  if (signal?.aborted === true) throw interrupted();
  const epochS = monotonicEpochS();
  await using team = new PoolRun(crew, plan, { netns, spins, epochS });
  using edges = new WindowEdges(onWindow);
  using readings = new Readings(plan, onReading ?? (() => undefined));
  const abort = (): void => team.abort();
  signal?.addEventListener('abort', abort);
  try {
    const counts = await team.ready();
    using clock = new MonotonicClock(epochS);
    // Before the threads run, which may keep this one from its CPU.
    const nowMs = performance.now();
    team.start(clock.ns + HEAD_START_NS);
    const openMs = HEAD_START_NS / 1e6 + plan.warmupMs;
    edges.schedule(openMs, plan.durationMs);
    readings.schedule(counts, nowMs + openMs);
    const tallies = await team.tallies();
    if (isAborted(signal)) throw interrupted();
    edges.close();
    readings.close();
    return resultOf(plan, mergeTallies(tallies), tallies);
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

// A call, so that the compiler does not think that it knows the answer from before the wait.
const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;

/** Says when the window opens and closes, each once and in this order, however late a timer comes. */
class WindowEdges implements Disposable {
  readonly #onWindow: PoolRunOptions['onWindow'];
  readonly #timers: NodeJS.Timeout[] = [];
  #said = 0;

  constructor(onWindow: PoolRunOptions['onWindow']) {
    this.#onWindow = onWindow;
  }

  schedule(openMs: number, durationMs: number): void {
    this.#timers.push(
      setTimeout(() => this.#open(), openMs),
      setTimeout(() => this.close(), openMs + durationMs),
    );
  }

  close(): void {
    this.#open();
    if (this.#said++ === 1) this.#onWindow?.('close');
  }

  #open(): void {
    if (this.#said === 0) this.#onWindow?.('open');
    this.#said = Math.max(this.#said, 1);
  }

  [Symbol.dispose](): void {
    this.#timers.forEach(clearTimeout);
  }
}
