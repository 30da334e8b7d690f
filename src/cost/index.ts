/** Instructions per request on each network, counted in an emulated machine. */
export { measureCost, type CostRequest } from './run.js';
export type { CellPlan } from './cell.js';
export type { CostEvent, OnCostEvent } from './progress.js';
