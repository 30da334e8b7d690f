import type { LoadPlan, LoadResult } from '../../schema/index.js';
import { WorkerPool } from './crew.js';
import { warmUp } from './warm-up.js';
import { runInPool, type PoolRunOptions } from './run.js';

export interface StandaloneOptions extends PoolRunOptions {
  /** Takes a second first, so that the load is made by compiled code from its start. */
  readonly rehearses?: boolean;
}

/**
 * Loads a target as planned. A server that is dead, slow or wrong gives a result that says so; only what keeps the load
 * from being made at all is thrown.
 *
 * @throws BarewireError `interrupted` when the signal aborts, `bad-input` for a CPU that cannot be used
 */
export async function runStandalone(plan: LoadPlan, options: StandaloneOptions = {}): Promise<LoadResult> {
  await using crew = new WorkerPool();
  if (options.rehearses === true) await warmUp(crew, plan.threads);
  return await runInPool(crew, plan, options);
}
