/**
 * The load generator: requests at a rate from one or more threads, response and service times of each, and a
 * self-check.
 */
export { GeneratorProcess, planGenerator, type Generator } from './pool/generator.js';
export { runStandalone } from './pool/standalone.js';
export { serveGenerator } from './pool/serve.js';
export { checkTarget, type CheckedTarget } from './engine/target.js';
export { runThread } from './pool/thread.js';
export { EXTERNAL_GENERATORS } from './external/catalog.js';
export {
  externalSliceMs,
  openExternalGenerator,
  planExternal,
  type ExternalGeneratorProcess,
} from './external/open.js';
export { describeExternal } from './external/tool.js';
export { RATE_SYMBOL, type ExternalName } from './external/types.js';
