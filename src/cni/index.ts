/** The CNI plugin: a script that hands its requests to the node agent, and what the agent does for it. */
export { Allocations } from './allocations.js';
export {
  CniOperations,
  CONTAINER_ALIAS,
  gatewayOf,
  type ContainerNetwork,
  type ContainerSite,
} from './operations.js';
export { pluginScript } from './plugin-script.js';
export { serveCni } from './server.js';
