/** Knobs and profiles: a machine's topology goes in, settings with reasons come out. Pure. */
export { findKnob, KNOB_FILES, KNOBS } from './catalog.js';
export { planTuning } from './plan.js';
export { PROFILES } from './profiles.js';
export { EXPORTS, exportSettings, type ExportFormat } from './export.js';
export { tuningSteps } from './steps.js';
export { resolveProfile } from './profile-file.js';
export type { KnobValue, Profile, TuningRoles } from './types.js';
