import type { LoadPlan, LoadResult } from '../schema/index.js';
import { Crew } from './crew.js';
import { rehearse } from './rehearse.js';
import { loadWith, type RunLoadOptions } from './run.js';

export interface RunAloneOptions extends RunLoadOptions {
  /** Takes a second first, so that the load is made by compiled code from its start. */
  readonly rehearses?: boolean;
}

/**
 * Loads a target as planned. A server that is dead, slow or wrong gives a result that says so; only what keeps the load
 * from being made at all is thrown.
 *
 * @throws BarewireError `interrupted` when the signal aborts, `bad-input` for a CPU that cannot be used
 */
export async function runLoad(plan: LoadPlan, options: RunAloneOptions = {}): Promise<LoadResult> {
  await using crew = new Crew();
  if (options.rehearses === true) await rehearse(crew, plan.threads);
  return await loadWith(crew, plan, options);
}
