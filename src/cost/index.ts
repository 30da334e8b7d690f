/** Instructions per request on each network, counted in an emulated machine. */
export type { CostEvent } from './network.js';
export { measureCost } from './run.js';
export type { CellPlan } from './network.js';
export { planCostAblation } from './ablation.js';
