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
  /** Called at the opening and the closing of the recorded window, to the millisecond. */
  readonly onWindow?: ((edge: 'open' | 'close') => void) | undefined;
  /** Called at the interval `readingMs` of the plan, and at the end. */
  readonly onReading?: ((reading: LoadReading) => void) | undefined;
  /** The namespace of the load, by name; null, the default, is this process's own. */
  readonly netns?: string | null | undefined;
  /** Overrides whether the threads busy-poll, which otherwise follows from their CPUs. */
  readonly spins?: boolean | undefined;
}

/** From the start signal to the first due request: each thread has to wake up first. */
const HEAD_START_NS = 3e6;

/**
 * Loads a target with the threads of a pool.
 *
 * @throws BarewireError as `runStandalone`
 */
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
    // Read before the threads run, which may take this thread's CPU.
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

// A call, because the compiler would assume the result from before the wait.
const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;

/** Reports the opening and the closing of the window, each once and in order, however late a timer is. */
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
