/** The formats that others read, findings, and the one error type. Plain data only. */
export { BarewireError, bug, machineError, userError, type ErrorCode, type Fault } from './error.js';
export {
  EXTERNAL_LIMITS,
  findingSchema,
  groupFindings,
  groupKey,
  DOCKER_EFFECTS,
  LIMITATIONS,
  missing,
  type Finding,
  type FindingCode,
  type FindingGroup,
  type FindingScope,
} from './finding.js';
export type {
  AddressObject,
  ForwardingObject,
  IpvlanMode,
  KernelObject,
  LinkObject,
  NeighbourObject,
  RouteObject,
} from './kernel-object.js';
export { nearest } from './nearest.js';
export { type NetworkFact } from './network-fact.js';
export {
  findLimit,
  needsMaxima,
  printCriterion,
  printLimit,
  printObjective,
  type Criterion,
  type LatencyLimit,
  type Objective,
} from './objective.js';
export { LATENCY_KEYS, QUANTILES, QUANTILE_NAMES, type LatencyKey, type QuantileName } from './quantiles.js';
export { BARE_PORT, CONTROL_PORT, PUBLISHED_PORT, SERVER_PORT } from './ports.js';
export { printRate, type Rate } from './rate.js';
export {
  CPU_SHARES,
  dockerArgv,
  dockerUndoSchema,
  printAction,
  stepSchema,
  type Action,
  type DockerContainer,
  type DockerUndo,
  type UndoTarget,
  type Step,
} from './step.js';
export {
  COMPARED_KEYS,
  comparisonSchema,
  type Change,
  type ComparedCell,
  type ComparedFigure,
  type ComparedKey,
  type ComparedMaximum,
  type ComparedRun,
  type Comparison,
  type JudgedRatio,
} from './compare.js';
export {
  ERROR_KINDS,
  loadPlanSchema,
  loadReadingSchema,
  loadResultSchema,
  type SelfCheck,
  type ErrorKind,
  type LoadPlan,
  type LoadReading,
  type LoadResult,
  GENERATORS,
  externalResultSchema,
  type GeneratorName,
  type ExternalGenerator,
  type ExternalResult,
} from './load.js';
export { type SliceFigures } from './slice-figures.js';
export {
  sliceRecordSchema,
  type CpuCost,
  type CpuLoad,
  type MeasuredSlice,
  type PlannedSlice,
  type SetupSteps,
  type SideMetrics,
  type SliceRecord,
} from './slice.js';
export {
  summarySchema,
  type Cell,
  type Estimate,
  type LatencyEstimates,
  type NetworkSummary,
  type Summary,
  type Decision,
  type Verdict,
} from './summary.js';
export {
  environmentSchema,
  resolvedStudySchema,
  studyRecordSchema,
  BARE,
  REFERENCE,
  referenceOf,
  type References,
  WORKLOADS,
  type Environment,
  type NetworkStatus,
  type ResolvedStudy,
  type TestbedChoice,
  type StudyRecord,
  type WorkloadName,
} from './study.js';
export { costSchema, type Cost, type CostCell, type KernelCost, type NetworkCost } from './cost.js';
export { installCommand, packageOf, toolsOf } from './tools.js';
