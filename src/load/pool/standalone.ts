import type { LoadPlan, LoadResult } from '../../schema/index.js';
import { WorkerPool } from './worker-pool.js';
import { pacingOf, warmUp } from './warm-up.js';
import { runInPool, type PoolRunOptions } from './run.js';

export interface StandaloneOptions extends PoolRunOptions {
  /** Warms up the JIT first. */
  readonly warmsUp?: boolean;
}

/**
 * Loads a target as planned. A dead, slow or wrong server gives a result that shows it; only what prevents
 * the load is thrown.
 *
 * @throws BarewireError `interrupted` when the signal aborts, `bad-input` for a CPU that cannot be used
 */
export async function runStandalone(plan: LoadPlan, options: StandaloneOptions = {}): Promise<LoadResult> {
  await using pool = new WorkerPool();
  if (options.warmsUp === true) await warmUp(pool, plan.threads, [pacingOf(plan)], 'load');
  return await runInPool(pool, plan, options);
}
