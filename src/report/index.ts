/** Summary, comparison or cost → document → terminal, Markdown, HTML, CSV, JUnit. Pure. */
export { buildComparisonDocument } from './comparison-document.js';
export { buildCostDocument } from './cost-document.js';
export type { Document } from './document.js';
export { renderExports } from './exports.js';
export { three, whole } from './number.js';
export { FORMATS, render, renderFiles, type Format } from './render/render.js';
export { buildStudyDocument } from './study-document.js';
export { drawTopology } from './topology-text.js';
export { describeChangedSetting, describeTuningFinding } from './tuning-wording.js';
export { describeFinding } from './wording.js';
