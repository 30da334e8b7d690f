/** Instructions per request on each network, counted in an emulated machine. */
export type { CostEvent, OnCostEvent } from './network.js';
export { measureCost, type CostRequest } from './run.js';
export type { CellPlan } from './network.js';
