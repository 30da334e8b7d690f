import { MonotonicClock, monotonicEpochS, readCpuQuota, type CpuQuota } from '../../linux/index.js';
import type { LoadPlan, LoadReading, LoadResult } from '../../schema/index.js';
import { Histogram } from '../../stats/index.js';
import { interrupted } from '../errors.js';
import type { SharedTally } from '../engine/tally.js';
import { mergeTallies, resultOf } from '../result.js';
import type { KeptSet } from './thread.js';
import { PoolRun, type WorkerPool } from './worker-pool.js';

/** The load starts; the recorded window opens, after the warm-up; it closes. */
type WindowEdge = 'start' | 'open' | 'close';

export interface PoolRunOptions {
  /** Stops the run within some milliseconds; it then rejects with `interrupted`. */
  readonly signal?: AbortSignal | undefined;
  /** Called at each edge, to the millisecond. External generators have no start. */
  readonly onWindow?: ((edge: WindowEdge) => void) | undefined;
  /** Called at the interval `readingMs` of the plan, and at the end. */
  readonly onReading?: ((reading: LoadReading) => void) | undefined;
  /** The namespace of the load, by name; null, the default, is this process's own. */
  readonly netns?: string | null | undefined;
  /** Keeps the connections open under a name; null, the default, closes them. */
  readonly keep?: KeptSet | null | undefined;
  /** Overrides whether the threads busy-poll, which otherwise follows from their CPUs. */
  readonly busyPolls?: boolean | undefined;
}

/** From the start signal to the first due request: each thread has to wake up first. */
const HEAD_START_NS = 1.5e6;

/**
 * Loads a target with the threads of a pool.
 *
 * @throws BarewireError as `runStandalone`
 */
export async function runInPool(
  pool: WorkerPool,
  plan: LoadPlan,
  { signal, onWindow, onReading, netns = null, busyPolls, keep = null }: PoolRunOptions,
): Promise<LoadResult> {
  if (signal?.aborted === true) throw interrupted();
  const epochS = monotonicEpochS();
  await using run = new PoolRun(pool, plan, { netns, busyPolls, epochS, keep });
  using edges = new WindowEdges(onWindow);
  using readings = new Readings(plan, onReading ?? (() => undefined));
  const abort = (): void => run.abort();
  signal?.addEventListener('abort', abort);
  try {
    const counts = await run.ready();
    using clock = new MonotonicClock(epochS);
    const quota = readCpuQuota();
    // Read before the threads run, which may take this thread's CPU.
    const nowMs = performance.now();
    run.start(clock.ns + HEAD_START_NS);
    const openMs = HEAD_START_NS / 1e6 + plan.warmupMs;
    edges.schedule(openMs, plan.durationMs);
    readings.schedule(counts, nowMs + openMs);
    const tallies = await run.tallies();
    if (isAborted(signal)) throw interrupted();
    edges.close();
    readings.close();
    return resultOf(plan, mergeTallies(tallies), tallies, usedSince(quota, readCpuQuota()));
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** The periods of the quota since an earlier reading. */
const usedSince = (before: CpuQuota | null, quota: CpuQuota | null): CpuQuota | null =>
  before === null || quota === null
    ? null
    : {
        ...quota,
        periods: quota.periods - before.periods,
        throttledPeriods: quota.throttledPeriods - before.throttledPeriods,
      };

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
      setTimeout(() => this.#start(), HEAD_START_NS / 1e6),
      setTimeout(() => this.#open(), openMs),
      setTimeout(() => this.close(), openMs + durationMs),
    );
  }

  close(): void {
    this.#open();
    if (this.#said++ === 2) this.#onWindow?.('close');
  }

  #start(): void {
    if (this.#said === 0) this.#onWindow?.('start');
    this.#said = Math.max(this.#said, 1);
  }

  #open(): void {
    this.#start();
    if (this.#said === 1) this.#onWindow?.('open');
    this.#said = Math.max(this.#said, 2);
  }

  [Symbol.dispose](): void {
    this.#timers.forEach(clearTimeout);
  }
}

/** Reports during a run what was received since the last report. */
class Readings implements Disposable {
  readonly #plan: LoadPlan;
  readonly #onReading: (reading: LoadReading) => void;
  #threads: readonly SharedTally[] = [];
  #before = new Histogram();
  #failedBefore = 0;
  #fromMs = 0;
  #openedMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(plan: LoadPlan, onReading: (reading: LoadReading) => void) {
    this.#plan = plan;
    this.#onReading = onReading;
  }

  /**
   * `threads` has the counts of each thread in shared memory; reading them does not delay the threads. `openedMs` is the opening of the window on the clock of
   * `performance.now()`.
   */
  schedule(threads: readonly SharedTally[], openedMs: number): void {
    this.#threads = threads;
    this.#openedMs = openedMs;
    this.#next(1);
  }

  /** Sends the last report. */
  close(): void {
    clearTimeout(this.#timer);
    if (this.#threads.length > 0) this.#read(this.#plan.durationMs);
  }

  #next(number: number): void {
    const { readingMs = Infinity, durationMs } = this.#plan;
    const atMs = number * readingMs;
    if (atMs >= durationMs) return;
    this.#timer = setTimeout(
      () => {
        this.#read(performance.now() - this.#openedMs);
        this.#next(number + 1);
      },
      this.#openedMs + atMs - performance.now(),
    );
  }

  #read(untilMs: number): void {
    const all = new Histogram();
    for (const { response } of this.#threads) all.merge(new Histogram(response));
    const failed = this.#threads.flatMap(({ errors }) => [...errors]).reduce((sum, count) => sum + count, 0);
    const since = new Histogram(all.counts.map((count, cell) => count - this.#before.counts[cell]!));
    this.#onReading({
      fromMs: this.#fromMs,
      untilMs,
      requests: since.count,
      failed: failed - this.#failedBefore,
      response: since.encode(),
    });
    this.#before = all;
    this.#failedBefore = failed;
    this.#fromMs = untilMs;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
