export { measureCost, type CostRequest, type CostEvent, type OnCostEvent } from './run.js';
export type { CellPlan } from './network.js';
