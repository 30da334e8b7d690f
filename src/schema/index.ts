/** The formats that others read, findings, and the one error type. Plain data only. */
export {
  BarewireError,
  bug,
  fileFault,
  machineError,
  messageOf,
  userError,
  type ErrorCode,
} from './error.js';
export {
  EXTERNAL_LIMITS,
  findingSchema,
  groupFindings,
  groupKey,
  DOCKER_EFFECTS,
  LIMITATIONS,
  missing,
  type Caveat,
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
  WireguardObject,
  WireguardPeerObject,
} from './kernel-object.js';
export { deployedNodeSchema, NODE_PLUGIN, NODE_SOCKET, type DeployedNode } from './deployed.js';
export { Secret } from './secret.js';
export { didYouMean, nearest } from './nearest.js';
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
export { ARM_PORT, BARE_PORT, CONTROL_PORT, PUBLISHED_PORT, SERVER_PORT } from './ports.js';
export {
  durationQuantity,
  parseDurationMs,
  parseRate,
  positiveQuantity,
  rateQuantity,
  refuseQuantity,
  requireQuantity,
  shareQuantity,
  wholeQuantity,
  type QuantityKind,
  type QuantityProblem,
} from './quantity.js';
export { printRate, type Rate } from './rate.js';
export { normalizeSetting, SETTING_PATH, writableSetting } from './setting.js';
export {
  cniAttachmentSchema,
  cniConfiguration,
  cniVariables,
  CPU_SHARES,
  dockerArgv,
  dockerUndoSchema,
  HOLDER,
  printAction,
  printTable,
  stepSchema,
  type Action,
  type CniAttachment,
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
  type Traffic,
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
  type KnobMaximum,
  type MainEffect,
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
export { installCommand, PACKAGE_MANAGERS, packageOf, toolsOf } from './tools.js';
export { parseCpuList, parseCpuMask, printCpuList, printCpuMask } from './cpu-set.js';
export { topologySchema, type NetworkDevice, type Topology } from './topology.js';
export {
  ARM,
  networkOfArm,
  settingSchema,
  tuningFindingSchema,
  tuningPlanSchema,
  changedSettingSchema,
  verifiedSettingSchema,
  type ChangedSetting,
  type AblationEffect,
  type StudyTuning,
  type TunedHost,
  type VerifiedSetting,
  type Setting,
  type TuningFinding,
  type TuningPlan,
  type TuningScope,
} from './tuning.js';
export { YamlText } from './yaml-text.js';
