/** The formats that others read, and the one error type. Everything here is plain data. */
export { BarewireError, type ErrorCode, type ErrorFacts, type Fault } from './error.js';
export { asOne, refusalTexts, withoutFigures } from './alike.js';
export { nearest } from './nearest.js';
export { parseObjective, printObjective, type Objective } from './objective.js';
export {
  actionSchema,
  madeSchema,
  printAction,
  stepSchema,
  type Action,
  type Made,
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
  certificateSchema,
  ERROR_KINDS,
  loadPlanSchema,
  loadReadingSchema,
  loadResultSchema,
  type Certificate,
  type ErrorKind,
  type LoadPlan,
  type LoadReading,
  type LoadResult,
} from './load.js';
export {
  GENERATORS,
  peerCertificateSchema,
  peerResultSchema,
  peerSchema,
  type GeneratorName,
  type PeerCertificate,
  type PeerFacts,
  type PeerResult,
} from './peer.js';
export {
  ROLES,
  plannedTrialSchema,
  trialRecordSchema,
  type CpuCost,
  type MeasuredTrial,
  type PlannedTrial,
  type SideMetrics,
  type TrialRecord,
} from './trial.js';
export {
  LATENCY_KEYS,
  QUANTILES,
  QUANTILE_NAMES,
  summarySchema,
  type Cell,
  type Figure,
  type Figures,
  type LatencyKey,
  type NetworkSummary,
  type PathLength,
  type QuantileName,
  type Refusal,
  type Summary,
  type Verdict,
} from './summary.js';
export {
  rateSchema,
  resolvedStudySchema,
  studyRecordSchema,
  WORKLOADS,
  type Environment,
  type NetworkStatus,
  type Rate,
  type ResolvedStudy,
  type StudyRecord,
  type WorkloadName,
} from './study.js';
export {
  costSchema,
  type Cost,
  type CostCell,
  type Instructions,
  type KernelCost,
  type NetworkCost,
} from './cost.js';
