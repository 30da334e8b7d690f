/** Summary, comparison or cost → document → terminal, Markdown, HTML, CSV, JUnit. Pure. */
export { buildComparisonDocument } from './comparison-document.js';
export { buildCostDocument } from './cost-document.js';
export type { Document } from './document.js';
export { renderExports } from './exports.js';
export { FORMATS, render, renderFiles, type Format } from './render/render.js';
export { buildStudyDocument } from './study-document.js';
export { describeFinding } from './wording.js';
