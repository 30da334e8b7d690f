import type { LoadPlan } from '../../schema/index.js';
import { ClosedPacer } from './closed-pacer.js';
import { ConstantPacer } from './constant-pacer.js';
import type { Pacer, Share } from './pacer.js';
import { PoissonPacer } from './poisson-pacer.js';
import type { Times } from './times.js';

/** Every connection has the same rate, so the threads' rates add up exactly to that of the plan. */
export function createPacer(plan: LoadPlan, share: Share, untilNs: number, times: Times): Pacer {
  if (plan.mode.kind === 'closed') return new ClosedPacer(share.connections, untilNs, times);
  const intervalNs = (plan.connections / plan.mode.rateRps) * 1e9;
  const Chosen = plan.mode.arrival === 'poisson' ? PoissonPacer : ConstantPacer;
  return new Chosen({ ...share, intervalNs, seed: plan.seed, untilNs }, times);
}
