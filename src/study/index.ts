/** A spec goes in, a results directory comes out. */
export { eachAlone } from './ablation-arms.js';
export { THIS_MACHINE } from './spec-tuning.js';
export { planStudyOnHosts } from './plan-on-hosts.js';
export { printPlan } from './plan-text.js';
export type { StudyPlan } from './plan-types.js';
export type { StudyEvent } from './progress.js';
export { ARTICLE, preset } from './presets.js';
export { resolveSpec, type SpecOverrides } from './spec.js';
export { planSlices } from './plan-slices.js';
export { writeReports, readResults } from './reading.js';
export { directoryName, ResultsDirectory, writeResultFile } from './results.js';
export { findBlockers, requireMachine, requireTools } from './requirements.js';
export { diagnoseMachine, isBlocking, readMachineFacts, type MachineFacts } from './doctor.js';
export type { StudyRequest } from './begin.js';
export { runStudy } from './runner.js';
export { newestUnfinished } from './unfinished.js';
