/** CNI: the plugin of the node agent, and the suite of checks for any plugin. */
export { Allocations } from './allocations.js';
export { gatewayOf, type ContainerNetwork } from './container-network.js';
export { CONTAINER_ALIAS } from './join-container.js';
export { CniOperations } from './operations.js';
export { SLOT_FILES } from './protocol.js';
export { pluginScript } from './plugin-script.js';
export { serveCni } from './server.js';
export {
  BUILT_IN,
  builtInConfiguration,
  parseConfiguration,
  stateDirectoriesOf,
  uplinkOf,
} from './check/configuration.js';
export { findPlugin, locatePlugin, type FoundPlugin } from './check/find-plugin.js';
export { openLab } from './check/lab.js';
export { CHECK_GROUPS, cniCheckSchema, type CniCheckReport, type PluginReport } from './check/report.js';
export { countStatuses, renderMarkdownReports, renderReports } from './check/render.js';
export { CHECKS, checkPlugin } from './check/run.js';
